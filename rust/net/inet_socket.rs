// SPDX-License-Identifier: GPL-2.0

//! Sockets of datagram protocols directly over IPv4 or IPv6.
//!
//! A [`Protocol`] is what such a protocol does of its own; the rest, common to all sockets of a [`Family`], are the kernel's
//! functions. Once its [`Tables`] are registered user space can open sockets of it, and packets of its IP protocol number come to
//! it.
//!
//! - `protocol`: the trait, registration, the kernel's callbacks
//! - `family`: what differs between IPv4 and IPv6; `v4` and `v6`: addresses and sending
//! - `bound`: which sockets are bound to what
//! - `message`: what is sent and received, with its ancillary data
//!
//! C headers: [`include/net/sock.h`](srctree/include/net/sock.h), [`include/net/protocol.h`](srctree/include/net/protocol.h),
//! [`include/net/inet_common.h`](srctree/include/net/inet_common.h)

mod bound;
mod family;
mod message;
mod protocol;
pub mod v4;
pub mod v6;

pub use bound::{BoundSockets, BoundTable};
pub use family::{Delivered, Family, Packet};
pub use message::{Datagram, Message, MSG_ERRQUEUE, MSG_OOB, MSG_TRUNC};
pub use protocol::{Protocol, Registration, Tables};
pub use v4::V4;
pub use v6::V6;

use crate::{
    namespace::Namespace,
    sock::Socket,
    udp::SocketKey, //
};
use core::{marker::PhantomData, ops::Deref, ptr::NonNull};
use kernel::{
    error::to_result,
    prelude::*,
    sync::Arc,
    types::{NotThreadSafe, Opaque},
};
use net_bindings as c;

/// What the kernel allocates for a socket of `P`.
#[repr(C)]
pub(crate) struct Layout<P: Protocol> {
    inet: c::inet_sock,
    /// Where the socket is when it is bound. Set while the socket can be used.
    table: Option<Arc<BoundTable<P>>>,
    state: P::State,
    family: <P::Family as Family>::Private,
}

/// A socket of protocol `P`, borrowed from a callback or from [`Held`].
///
/// # Invariants
///
/// Wraps a live `struct sock` that was created with the registered [`Tables`] of `P`, hence is the start of a [`Layout<P>`] whose
/// `state` is initialised.
#[repr(transparent)]
pub struct InetSocket<P: Protocol>(Opaque<c::sock>, PhantomData<P>);

impl<P: Protocol> InetSocket<P> {
    /// Borrows a socket.
    ///
    /// # Safety
    ///
    /// `sk` must stay a valid socket of `P` for `'a`, whose `init` callback has run.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(sk: *mut c::sock) -> &'a Self {
        // SAFETY: By the safety requirements; the type is a transparent wrapper. INVARIANT: as well.
        unsafe { &*sk.cast() }
    }

    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut c::sock {
        self.0.get()
    }

    #[inline]
    fn layout(&self) -> *mut Layout<P> {
        self.as_ptr().cast()
    }

    #[inline]
    fn inet(&self) -> *mut c::inet_sock {
        self.as_ptr().cast()
    }

    /// The protocol's own state of the socket.
    #[inline]
    pub fn state(&self) -> &P::State {
        // SAFETY: Initialised by the type invariant, and only shared references to it are given out.
        unsafe { &(*self.layout()).state }
    }

    /// The namespace of the socket.
    #[inline]
    pub fn namespace(&self) -> &Namespace {
        // SAFETY: The socket is alive, and keeps its namespace or is released before that goes.
        unsafe { Namespace::from_raw(c::sock_net(self.as_ptr())) }
    }

    /// Identifies the socket, as [`Socket::key`] does.
    #[inline]
    pub fn key(&self) -> SocketKey {
        self.as_ptr() as SocketKey
    }

    /// Index of the device that the socket is bound to; 0 if it is bound to none.
    #[inline]
    pub fn bound_device(&self) -> u32 {
        // SAFETY: Alive by the type invariant; read in one go. CAST: Indices are positive.
        unsafe { (&raw const (*self.as_ptr()).__sk_common.skc_bound_dev_if).read_volatile() as u32 }
    }

    /// Whether the socket has a connected peer.
    #[inline]
    pub fn is_connected(&self) -> bool {
        self.state_is(c::TCP_ESTABLISHED)
    }

    fn state_is(&self, state: u32) -> bool {
        // SAFETY: Alive by the type invariant; the state is a byte that is read in one go.
        let now = unsafe { (&raw const (*self.as_ptr()).__sk_common.skc_state).read_volatile() };
        u32::from(now) == state
    }

    /// Address that the socket receives at; all zero if it receives at any.
    #[inline]
    pub fn local(&self) -> <P::Family as Family>::Address {
        // SAFETY: Alive and of this family by the type invariant.
        unsafe { P::Family::local(self.as_ptr()) }
    }

    /// Source address of what the socket sends; all zero if the route decides.
    #[inline]
    pub fn source(&self) -> <P::Family as Family>::Address {
        // SAFETY: Alive and of this family by the type invariant.
        unsafe { P::Family::source(self.as_ptr()) }
    }

    /// Address of the connected peer; all zero if there is none.
    #[inline]
    pub fn peer(&self) -> <P::Family as Family>::Address {
        // SAFETY: Alive and of this family by the type invariant.
        unsafe { P::Family::peer(self.as_ptr()) }
    }

    /// What was in the port of the address that the socket was connected to, in network order; 0 if it is not connected.
    #[inline]
    pub fn peer_port(&self) -> u16 {
        // SAFETY: Alive by the type invariant.
        unsafe {
            (*self.as_ptr())
                .__sk_common
                .__bindgen_anon_3
                .__bindgen_anon_1
                .skc_dport
        }
    }

    /// Takes the socket lock. May sleep.
    pub fn lock(&self) -> Locked<'_, P> {
        // SAFETY: Alive by the type invariant. INVARIANT: Locked here.
        unsafe { c::lock_sock(self.as_ptr()) };
        Locked(self, NotThreadSafe)
    }
}

/// A socket whose lock is held, see [`InetSocket::lock`].
///
/// # Invariants
///
/// The current task owns the socket lock.
pub struct Locked<'a, P: Protocol>(&'a InetSocket<P>, NotThreadSafe);

impl<P: Protocol> Locked<'_, P> {
    /// Whether the socket was bound once.
    pub fn is_bound(&self) -> bool {
        // SAFETY: Alive by the type invariant.
        !unsafe { c::sock_flag(self.as_ptr(), c::sock_flags_SOCK_ZAPPED as c_int) }
    }

    /// Whether the socket is as it was created: it was never bound and is not connected.
    pub fn is_fresh(&self) -> bool {
        !self.is_bound() && self.state_is(c::TCP_CLOSE)
    }

    /// Whether the socket is being closed.
    pub fn is_dead(&self) -> bool {
        // SAFETY: Alive by the type invariant.
        unsafe { c::sock_flag(self.as_ptr(), c::sock_flags_SOCK_DEAD as c_int) }
    }

    /// Forgets the cached route.
    pub fn reset_route(&self) {
        // SAFETY: Alive by the type invariant; the cache is exchanged atomically.
        unsafe { c::sk_dst_reset(self.as_ptr()) }
    }

    /// Connects the socket to the IP address in `address`, a `struct sockaddr_in` or `sockaddr_in6` with more behind it or not.
    ///
    /// # Errors
    ///
    /// Those of connect() of a datagram socket: `EINVAL`, `EAFNOSUPPORT`, `ENETUNREACH`, `EHOSTUNREACH`, `EACCES`...
    pub fn connect(&self, address: &Address<'_>) -> Result {
        // SAFETY: Alive, of this family and locked by the type invariant; the address is valid for its length.
        to_result(unsafe { P::Family::connect(self.as_ptr(), address.ptr.as_ptr(), address.len) })
    }

    /// Undoes [`Locked::connect`]: also forgets the bound device and the addresses.
    fn disconnect(&self, flags: c_int) -> Result {
        // SAFETY: Alive and locked by the type invariant.
        to_result(unsafe { c::__udp_disconnect(self.as_ptr(), flags) })
    }

    fn set_bound(&self) {
        // SAFETY: Alive and locked by the type invariant.
        unsafe { c::sock_reset_flag(self.as_ptr(), c::sock_flags_SOCK_ZAPPED) }
    }
}

impl<P: Protocol> Deref for Locked<'_, P> {
    type Target = InetSocket<P>;

    fn deref(&self) -> &InetSocket<P> {
        self.0
    }
}

impl<P: Protocol> Drop for Locked<'_, P> {
    fn drop(&mut self) {
        // SAFETY: The lock is ours by the type invariant.
        unsafe { c::release_sock(self.as_ptr()) }
    }
}

/// A counted reference to a socket of `P`.
///
/// # Invariants
///
/// The socket is one of `P`, as [`InetSocket`] demands.
pub struct Held<P: Protocol>(Socket, PhantomData<fn() -> P>);

impl<P: Protocol> Held<P> {
    fn new(socket: &InetSocket<P>) -> Self {
        // SAFETY: Alive while borrowed.
        let held = unsafe { Socket::hold(NonNull::from(socket).cast()) };
        // INVARIANT: As `socket`.
        Self(held, PhantomData)
    }

    /// Whether the IPsec policies of the socket and of its namespace accept the packet.
    pub fn accepts(&self, packet: &Packet<P::Family>) -> bool {
        self.0.accepts(packet.skb(), P::Family::AF)
    }

    /// Queues the packet, from where its data pointer is, for the socket's user.
    ///
    /// If the socket's filter does not let it pass, or there is no room, it is dropped.
    pub fn deliver(self, packet: Packet<P::Family>) -> Delivered {
        let socket = core::mem::ManuallyDrop::new(self.0);
        // SAFETY: The socket is alive; its reference and the packet are ours, and given away. Bottom halves are disabled where a
        // `Packet` is.
        Delivered::new(unsafe {
            c::sk_receive_skb(socket.as_ptr(), packet.into_skb().into_raw(), 1)
        })
    }
}

impl<P: Protocol> Deref for Held<P> {
    type Target = InetSocket<P>;

    fn deref(&self) -> &InetSocket<P> {
        // SAFETY: Alive while held, and one of `P` by the type invariant.
        unsafe { InetSocket::from_raw(self.0.as_ptr()) }
    }
}

/// An address as user space gives it: some `struct sockaddr_*`, or too little of one.
///
/// # Invariants
///
/// `ptr` is valid for reading `len` bytes for `'a`.
pub struct Address<'a> {
    ptr: NonNull<c::sockaddr_unsized>,
    len: c_int,
    _p: PhantomData<&'a [u8]>,
}

impl Address<'_> {
    /// # Safety
    ///
    /// `ptr` must be valid for reading `len` bytes, if that is positive, for the lifetime that the caller picks.
    unsafe fn from_raw(ptr: *mut c::sockaddr_unsized, len: c_int) -> Option<Self> {
        // INVARIANT: By the safety requirements.
        Some(Self {
            ptr: NonNull::new(ptr)?,
            len: len.max(0),
            _p: PhantomData,
        })
    }

    /// The bytes that were given.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: By the type invariant. CAST: Not negative.
        unsafe { core::slice::from_raw_parts(self.ptr.as_ptr().cast(), self.len as usize) }
    }
}
