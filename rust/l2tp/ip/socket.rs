// SPDX-License-Identifier: GPL-2.0

//! Sockets for control messages.
//!
//! A socket is bound to a connection id, at an address or any, once in its life. Connected sockets are bound ones with a peer.
//! Several sockets can have the same connection id if their addresses, peers or devices differ.

use crate::family::Family;
use core::{
    marker::PhantomData,
    sync::atomic::{AtomicU32, Ordering}, //
};
use kernel::prelude::*;
use net::{
    error::{
        EADDRINUSE,
        EOPNOTSUPP, //
    },
    inet_socket::{
        self, Address, BoundSockets, Delivered, InetSocket, Locked, Message, Packet, Protocol,
        Tables, MSG_ERRQUEUE, MSG_OOB, MSG_TRUNC,
    },
    namespace::Namespace,
    rcu::Softirq,
};

/// The zero session id, which is in front of control messages and user space does not see.
pub const CONTROL: [u8; wire::v3::IP_HEADER_LEN] = [0; wire::v3::IP_HEADER_LEN];

/// The protocol of sockets for control messages.
pub struct ControlSocket<F>(PhantomData<F>);

/// A socket for control messages.
pub type Socket<F> = InetSocket<ControlSocket<F>>;

/// The connection ids of a socket.
#[derive(Default)]
pub struct Ids {
    own: AtomicU32,
    peer: AtomicU32,
}

impl Ids {
    /// The connection id that the socket is bound to.
    pub fn own(&self) -> u32 {
        self.own.load(Ordering::Relaxed)
    }

    /// The connection id that the socket was last connected to, 0 at first.
    pub fn peer(&self) -> u32 {
        self.peer.load(Ordering::Relaxed)
    }
}

/// An address of the family.
pub(crate) type IpAddress<F> = <<F as Family>::Inet as inet_socket::Family>::Address;

/// What packets, or sockets to be bound, are for.
pub struct Target<F: Family> {
    /// Our address.
    pub local: IpAddress<F>,
    /// The peer's.
    pub peer: IpAddress<F>,
    /// Index of the device.
    pub device: u32,
}

impl<F: Family> Target<F> {
    /// Whether a bound socket is for this. Whatever is not known, on either side, does not matter.
    pub fn matches(&self, socket: &Socket<F>) -> bool {
        let any = |a: IpAddress<F>, b: IpAddress<F>| a == F::ANY || b == F::ANY || a == b;
        let device = socket.bound_device();
        (device == 0 || self.device == 0 || device == self.device)
            && any(socket.local(), self.local)
            && any(socket.peer(), self.peer)
    }
}

/// Binds the socket to a connection id: the end of [`Family::bind`].
///
/// `settle` stores the address in the socket.
///
/// # Errors
///
/// `EADDRINUSE` if there is a socket that the same packets would be for.
pub fn enter<F: Family>(
    socket: &Locked<'_, ControlSocket<F>>,
    sockets: &mut BoundSockets<'_, ControlSocket<F>>,
    target: &Target<F>,
    connection: u32,
    settle: impl FnOnce(),
) -> Result {
    if sockets
        .find(connection, |other| target.matches(other))
        .is_some()
    {
        return Err(EADDRINUSE);
    }
    settle();
    socket.state().own.store(connection, Ordering::Relaxed);
    socket.enter(sockets)
}

impl<F: Family> Protocol for ControlSocket<F> {
    type Family = F::Inet;
    type State = Ids;
    type Name = F::Name;

    const NAME: &'static str = F::NAME;
    /// `IPPROTO_L2TP`
    const NUMBER: u8 = 115;

    fn tables() -> &'static Tables<Self> {
        F::tables()
    }

    fn key(socket: &Socket<F>) -> u32 {
        socket.state().own()
    }

    fn bind(socket: &Socket<F>, address: &Address<'_>) -> Result {
        F::bind(socket, address)
    }

    fn connect(socket: &Socket<F>, address: &Address<'_>) -> Result {
        let connection = F::check_peer(address)?;
        let socket = socket.lock();
        // There is no connection id to bind to automatically.
        if !socket.is_bound() {
            return Err(EINVAL);
        }
        socket.connect(address)?;
        socket.state().peer.store(connection, Ordering::Relaxed);
        // Of several sockets that a packet could be for, it is for the one connected last.
        let mut sockets = socket.bound_sockets()?;
        socket.enter(&mut sockets)
    }

    fn name(socket: &Socket<F>, peer: bool) -> Result<F::Name> {
        F::name(socket, peer)
    }

    fn send(socket: &Socket<F>, message: &mut Message<'_>, len: usize) -> Result<usize> {
        F::send(socket, message, len)
    }

    fn receive(
        socket: &Socket<F>,
        message: &mut Message<'_>,
        len: usize,
        flags: u32,
    ) -> Result<usize> {
        if flags & MSG_OOB != 0 {
            return Err(EOPNOTSUPP);
        }
        if flags & MSG_ERRQUEUE != 0 {
            if let Some(result) = F::receive_error(socket, message, len) {
                return result;
            }
        }
        let Some(datagram) = socket.next_datagram(flags)? else {
            return Ok(0);
        };
        let copied = datagram.copy_to(message, len, F::sender(&datagram).as_ref())?;
        Ok(if flags & MSG_TRUNC != 0 {
            datagram.len()
        } else {
            copied
        })
    }

    fn closed(socket: &Socket<F>) {
        l2tp_core::socket_closed(socket.namespace(), socket.key());
    }

    #[inline]
    fn packet(ns: &Namespace, packet: Packet<F::Inet>, softirq: Softirq<'_>) -> Delivered {
        crate::receive::packet::<F>(ns, packet, softirq)
    }
}
