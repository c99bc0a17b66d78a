// SPDX-License-Identifier: GPL-2.0

//! The socket: what it holds, and what it and its PPP channel send.
//!
//! A socket that is attached to a session holds a reference of it, and the session's pseudowire one of the socket. Both are given
//! up together when the session is closed, which the close of the socket brings about.

use crate::{
    address,
    connect,
    ioctl,
    options,
    LocalModule, //
};
use kernel::{
    iov::IovIterSource,
    prelude::*, //
};
use l2tp_core::{
    RcuArc,
    Session, //
};
use net::{
    error::ENOTCONN,
    pppox::{
        Address,
        Protocol,
        ProtocolSlot,
        Socket, //
    },
    rcu::{
        bh_disable,
        Softirq, //
    },
    rcu_slot::RcuSlot,
    skb::{
        Reason,
        SkBuff, //
    },
    sockopt::{
        OptionBuffer,
        OptionValue, //
    },
};

/// What frames are sent with in front of the PPP protocol field: Address and Control (RFC 1662, section 3.1).
const ADDRESS_AND_CONTROL: [u8; 2] = [0xff, 0x03];

/// Bytes of the protocol field, which generic PPP counts as its header.
const PPP_PROTOCOL: usize = 2;

pub(crate) static PROTOCOL: ProtocolSlot<PppoL2tp> = ProtocolSlot::new();

/// What a socket holds.
pub(crate) struct PppoL2tp {
    /// The session that it is attached to.
    pub(crate) session: RcuSlot<Session>,
}

/// A socket.
pub(crate) type PppSocket = Socket<PppoL2tp>;

/// Whether a session stands for its tunnel.
pub(crate) fn is_management(session: &Session) -> bool {
    session.id() == 0 && session.peer_id() == 0
}

/// Bytes that should be free in front of a PPP frame, beyond its protocol field.
pub(crate) fn headroom(session: &Session) -> u16 {
    session.headroom(PPP_PROTOCOL, ADDRESS_AND_CONTROL.len())
}

/// Sends a PPP frame that starts with its protocol field.
#[inline]
fn transmit(session: &Session, mut skb: SkBuff, softirq: Softirq<'_>) {
    if skb.is_gso() {
        return transmit_parts(session, skb, softirq);
    }
    // Bridged frames may have checksums that were left to others.
    if skb.complete_checksum().is_err() {
        session.count_refused(1);
        return skb.discard(Reason::NoMemory);
    }
    // The session counts; who sends is not told.
    let _ = session.transmit(ADDRESS_AND_CONTROL, skb, softirq);
}

/// Sends the packets that one stands for: a PPPoE channel that is bridged to this one hands on what the kernel has merged.
#[cold]
fn transmit_parts(session: &Session, mut skb: SkBuff, softirq: Softirq<'_>) {
    let packets = skb.load(0).packets;
    let [address, control] = ADDRESS_AND_CONTROL;
    let Some(&[high, low]) = skb.data().first_chunk() else {
        session.count_refused(packets);
        return skb.discard(Reason::TooSmall);
    };
    skb.pull(PPP_PROTOCOL);
    let parts = skb.split_ip(session.tunnel().socket().namespace());
    if parts.is_empty() {
        session.count_refused(packets);
    }
    for mut part in parts {
        part.forget_device();
        let _ = session.transmit([address, control, high, low], part, softirq);
    }
}

impl Protocol for PppoL2tp {
    type OwnerModule = LocalModule;

    const NAME: &'static CStr = c"PPPOL2TP";
    const NUMBER: u16 = address::PROTOCOL;

    fn slot() -> &'static ProtocolSlot<Self> {
        &PROTOCOL
    }

    fn new() -> Self {
        Self {
            session: RcuSlot::new(),
        }
    }

    fn connect(socket: &PppSocket, address: &[u8]) -> Result {
        connect::connect(socket, address)
    }

    fn name(socket: &PppSocket) -> Result<Address> {
        if !socket.is_connected() {
            return Err(ENOTCONN);
        }
        let session = socket.session.get_ref().ok_or(EBADF)?;
        connect::name(&session)
    }

    fn ioctl(socket: &PppSocket, command: u32, argument: usize) -> Result {
        ioctl::ioctl(socket, command, argument)
    }

    fn set_option(socket: &PppSocket, level: c_int, option: c_int, value: &OptionValue) -> Result {
        options::set(socket, level, option, value)
    }

    fn get_option(
        socket: &PppSocket,
        level: c_int,
        option: c_int,
        buffer: &mut OptionBuffer<'_>,
    ) -> Result {
        options::get(socket, level, option, buffer)
    }

    fn send(socket: &PppSocket, payload: &mut IovIterSource<'_>, len: usize) -> Result<usize> {
        if !socket.is_connected() {
            return Err(ENOTCONN);
        }
        let session = socket.session.get_ref().ok_or(EBADF)?;
        let skb = socket.packet(payload, headroom(&session).into(), len)?;
        transmit(&session, skb, bh_disable().softirq());
        Ok(len)
    }

    #[inline]
    fn transmit(socket: &PppSocket, skb: SkBuff, softirq: Softirq<'_>) {
        match socket.session.get(softirq.read_side()) {
            Some(session) => transmit(session, skb, softirq),
            None => skb.discard(Reason::NotConnected),
        }
    }

    fn release(socket: &PppSocket) {
        let session: Option<RcuArc<Session>> = socket.session.get_ref();
        if let Some(session) = session {
            Session::delete(&session);
        }
    }
}
