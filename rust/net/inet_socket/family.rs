// SPDX-License-Identifier: GPL-2.0

//! What differs between IPv4 and IPv6 sockets, and packets that come from the IP layer.

use crate::{
    skb::SkBuff,
    sock::Socket, //
};
use core::marker::PhantomData;
use kernel::{ffi::c_uchar, prelude::*};
use net_bindings as c;
use pin_init::Zeroable;

/// The callback that the IP layer calls for a packet.
pub(super) type Handler = unsafe extern "C" fn(*mut c::sk_buff) -> c_int;

/// Nobody else can implement [`Family`].
pub trait Sealed {}

/// An address family: [`V4`](super::V4) or [`V6`](super::V6). The functions are what the kernel does for it.
pub trait Family: Sealed + Sized + 'static {
    /// An address, in network order. All zero is no address, or any.
    type Address: Copy + Eq;
    /// What sockets of the family have behind the protocol's state.
    type Private;
    /// The kernel's description of a handler of packets.
    type Handler: Zeroable;

    /// `AF_*`
    const AF: u16;
    /// What the receive callback returns for a packet that found no room.
    const QUEUE_FULL: c_int;

    /// Sets the functions that all sockets of the family share.
    fn fill_ops(ops: &mut c::proto_ops);
    /// Sets the functions that all protocols of the family share.
    fn fill_proto(proto: &mut c::proto);
    /// Sets the callback for packets.
    fn fill_handler(handler: &mut Self::Handler, receive: Handler);

    /// # Safety
    ///
    /// `handler` must be filled in, and stay valid until removed.
    unsafe fn add_handler(handler: *mut Self::Handler, number: c_uchar) -> c_int;
    /// # Safety
    ///
    /// `handler` must have been added for `number`.
    unsafe fn remove_handler(handler: *mut Self::Handler, number: c_uchar);
    /// # Safety
    ///
    /// `switch` must be filled in, and stay valid until removed.
    unsafe fn add_switch(switch: *mut c::inet_protosw) -> c_int;
    /// # Safety
    ///
    /// `switch` must have been added.
    unsafe fn remove_switch(switch: *mut c::inet_protosw);

    /// # Safety
    ///
    /// `sk` must be a live, locked socket of the family, and `address` valid for reading `len` bytes.
    unsafe fn connect(sk: *mut c::sock, address: *mut c::sockaddr_unsized, len: c_int) -> c_int;
    /// Frees what waits to be sent, when the socket is closed.
    ///
    /// # Safety
    ///
    /// `sk` must be a live socket of the family that is being closed.
    unsafe fn flush(sk: *mut c::sock);
    /// # Safety
    ///
    /// `sk` must be a live socket of the family.
    unsafe fn local(sk: *mut c::sock) -> Self::Address;
    /// # Safety
    ///
    /// `sk` must be a live socket of the family.
    unsafe fn source(sk: *mut c::sock) -> Self::Address;
    /// # Safety
    ///
    /// `sk` must be a live socket of the family.
    unsafe fn peer(sk: *mut c::sock) -> Self::Address;
    /// Ancillary data that the user of the socket asked for.
    ///
    /// # Safety
    ///
    /// `sk` must be a live socket of the family, `skb` a packet from its queue and `msg` a message that is being received.
    unsafe fn receive_control(sk: *mut c::sock, msg: *mut c::msghdr, skb: *mut c::sk_buff);

    /// # Safety
    ///
    /// `skb` must be a packet of the family with its IP header as network header.
    unsafe fn packet_source(skb: *const c::sk_buff) -> Self::Address;
    /// # Safety
    ///
    /// `skb` must be a packet of the family with its IP header as network header.
    unsafe fn packet_destination(skb: *const c::sk_buff) -> Self::Address;
    /// # Safety
    ///
    /// `skb` must be a packet of the family that the IP layer has received.
    unsafe fn packet_interface(skb: *const c::sk_buff) -> c_int;
}

/// The network header of a packet.
///
/// # Safety
///
/// `skb` must be a packet with a network header.
#[inline]
pub(super) unsafe fn network_header(skb: *const c::sk_buff) -> *const u8 {
    // SAFETY: By the safety requirements; the header is inside the buffer.
    unsafe {
        (*skb).head.add(usize::from(
            (*skb).__bindgen_anon_4.headers.as_ref().network_header,
        ))
    }
}

/// A packet that the IP layer has received and hands to the [`Protocol`](super::Protocol) of its number.
///
/// # Invariants
///
/// Has the IP header of family `F` as its network header, in the linear part, and the IP layer's control block. Bottom halves are
/// disabled where it is.
pub struct Packet<F: Family>(SkBuff, PhantomData<(F, *const ())>);

impl<F: Family> Packet<F> {
    /// # Safety
    ///
    /// Only for a packet that the IP layer passes to a protocol handler.
    #[inline]
    pub(super) unsafe fn new(skb: SkBuff) -> Self {
        // INVARIANT: By the safety requirements.
        Self(skb, PhantomData)
    }

    /// The packet, whose data starts behind the IP header and what extends it.
    #[inline]
    pub fn skb(&self) -> &SkBuff {
        &self.0
    }

    /// The packet, to be pulled.
    #[inline]
    pub fn skb_mut(&mut self) -> &mut SkBuff {
        &mut self.0
    }

    /// The packet as one that has no more to do with the IP layer.
    #[inline]
    pub fn into_skb(self) -> SkBuff {
        self.0
    }

    /// Source address.
    #[inline]
    pub fn source(&self) -> F::Address {
        // SAFETY: By the type invariant.
        unsafe { F::packet_source(self.0.as_ptr()) }
    }

    /// Destination address.
    #[inline]
    pub fn destination(&self) -> F::Address {
        // SAFETY: By the type invariant.
        unsafe { F::packet_destination(self.0.as_ptr()) }
    }

    /// Index of the device that it came through.
    #[inline]
    pub fn interface(&self) -> u32 {
        // SAFETY: By the type invariant. CAST: Indices are positive.
        unsafe { F::packet_interface(self.0.as_ptr()) as u32 }
    }
}

/// Says that a packet has been dealt with.
#[must_use]
pub struct Delivered(c_int);

impl Delivered {
    /// It was taken, or dropped.
    pub const DONE: Self = Self(0);

    /// What the socket said.
    pub(super) fn new(result: c_int) -> Self {
        Self(result)
    }

    /// What the IP layer is told.
    pub(super) fn result(self) -> c_int {
        self.0
    }
}

impl Socket {
    /// Whether the IPsec policies of the socket and of its namespace accept a packet received over IP of `family`.
    pub fn accepts(&self, skb: &SkBuff, family: crate::sock::Family) -> bool {
        // SAFETY: Socket and packet are alive; the packet, being received, has a device.
        unsafe {
            c::xfrm_policy_check(
                self.as_ptr(),
                c::XFRM_POLICY_IN as c_int,
                skb.as_ptr(),
                family,
            ) != 0
        }
    }

    /// Whether the socket has an IPsec policy of its own for what it receives.
    #[inline]
    pub fn has_receive_policy(&self) -> bool {
        #[cfg(CONFIG_XFRM)]
        {
            // SAFETY: Alive by the type invariant; only compared with null.
            let policy = unsafe { (&raw const (*self.as_ptr()).sk_policy[0]).read_volatile() };
            !policy.is_null()
        }
        #[cfg(not(CONFIG_XFRM))]
        false
    }
}
