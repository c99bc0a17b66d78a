// SPDX-License-Identifier: GPL-2.0

//! Protocols of the socket family `AF_PPPOX`: sockets that carry PPP frames, each with a PPP [`Channel`](crate::ppp::Channel).
//!
//! A [`Protocol`] says what its sockets do. Each of them is a [`Socket<P>`], which holds a value of type `P` beside what the
//! kernel keeps. Sockets are freed after a grace period, so that the receive path may find them under RCU ([`SocketSlot`]).
//!
//! Everything here is generic or inlined, so that only modules that implement a protocol depend on `pppox` and `ppp_generic`.
//!
//! C headers: [`include/linux/if_pppox.h`](srctree/include/linux/if_pppox.h), [`include/net/sock.h`](srctree/include/net/sock.h)
//!
//! # Examples
//!
//! ```ignore
//! static PROTOCOL: ProtocolSlot<PppoL2tp> = ProtocolSlot::new(); // PppoL2tp::slot() returns it
//! let registration = PROTOCOL.register()?;
//! ```

mod ops;
mod socket;

pub use socket::{
    LockedSocket,
    Socket,
    SocketRef,
    SocketSlot, //
};

use crate::{
    module::{
        this_module,
        OwnerModule, //
    },
    rcu::Softirq,
    skb::SkBuff,
    sockopt::{
        OptionBuffer,
        OptionValue, //
    },
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData, //
};
use kernel::{
    error::to_result,
    iov::IovIterSource,
    prelude::*, //
};
use net_bindings as c;

/// Address family of the sockets.
pub const AF_PPPOX: u16 = c::AF_PPPOX as u16;

/// A socket address: the bytes of a `struct sockaddr_*`.
pub struct Address {
    bytes: [u8; Self::MAX],
    len: usize,
}

impl Address {
    /// Longest address.
    pub const MAX: usize = 64;

    /// The address that consists of these bytes, which may be none.
    ///
    /// # Errors
    ///
    /// `EINVAL` if they are more than [`Address::MAX`].
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let mut address = Self {
            bytes: [0; Self::MAX],
            len: bytes.len(),
        };
        address
            .bytes
            .get_mut(..bytes.len())
            .ok_or(EINVAL)?
            .copy_from_slice(bytes);
        Ok(address)
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// A protocol. `Self` is what each of its sockets holds.
///
/// Unless said otherwise the callbacks run in process context and may sleep. The family itself does the rest: sockets cannot be
/// bound, listened on, shut down or mapped; `PPPIOCGCHAN` tells the channel's index and marks the socket as
/// [bound](Socket::is_bound), after which frames are not for the socket's reader any more.
pub trait Protocol: Sized + Send + Sync + 'static {
    /// The module that implements it. Each socket keeps it loaded.
    type OwnerModule: OwnerModule;

    /// Name in `/proc/net/protocols`, of less than 32 bytes.
    const NAME: &'static CStr;

    /// Number of the protocol: `PX_PROTO_*`.
    const NUMBER: u16;

    /// The slot through which the protocol is registered.
    fn slot() -> &'static ProtocolSlot<Self>;

    /// What a new socket holds.
    fn new() -> Self;

    /// `connect()`. The address is as long as the caller says, and its family not checked.
    fn connect(socket: &Socket<Self>, address: &[u8]) -> Result;

    /// `getsockname()` and `getpeername()`.
    fn name(socket: &Socket<Self>) -> Result<Address>;

    /// `ioctl()`, with the socket locked. `ENOIOCTLCMD` for what the protocol does not know.
    fn ioctl(socket: &Socket<Self>, command: u32, argument: usize) -> Result;

    /// `setsockopt()` with any level but `SOL_SOCKET`.
    fn set_option(
        socket: &Socket<Self>,
        level: c_int,
        option: c_int,
        value: &OptionValue,
    ) -> Result;

    /// `getsockopt()` with any level but `SOL_SOCKET`.
    fn get_option(
        socket: &Socket<Self>,
        level: c_int,
        option: c_int,
        buffer: &mut OptionBuffer<'_>,
    ) -> Result;

    /// `sendmsg()`: what is to be sent are `len` bytes. Returns how many of them were accepted.
    fn send(socket: &Socket<Self>, payload: &mut IovIterSource<'_>, len: usize) -> Result<usize>;

    /// Generic PPP sends a frame, which starts with its protocol field. Bottom halves are disabled.
    fn transmit(socket: &Socket<Self>, skb: SkBuff, softirq: Softirq<'_>);

    /// The last user closed the socket, which is locked; its channel is unregistered. It stays as long as somebody holds it.
    fn release(socket: &Socket<Self>);
}

/// Where a [`Protocol`] is registered: a `static`.
pub struct ProtocolSlot<P: Protocol> {
    proto: UnsafeCell<c::proto>,
    _p: PhantomData<fn() -> P>,
}

// SAFETY: `proto` is written by module initialisation before it is registered, and from then on by the kernel, which serialises
// its accesses.
unsafe impl<P: Protocol> Sync for ProtocolSlot<P> {}

impl<P: Protocol> ProtocolSlot<P> {
    /// An unregistered slot.
    pub const fn new() -> Self {
        Self {
            proto: UnsafeCell::new(pin_init::zeroed()),
            _p: PhantomData,
        }
    }

    /// Registers the protocol: from now on sockets of it can be made.
    ///
    /// # Errors
    ///
    /// `EALREADY` if there is a protocol with this number; `EINVAL` if there cannot be one; `ENOMEM`.
    pub fn register(&'static self) -> Result<Registration<P>> {
        // SAFETY: Module initialisation, of which there is one at a time, is the only caller, and the structure is not registered.
        unsafe {
            let proto = &mut *self.proto.get();
            for (to, from) in proto
                .name
                .iter_mut()
                .zip(P::NAME.to_bytes().iter().take(31))
            {
                *to = *from;
            }
            proto.owner = this_module::<P::OwnerModule>().as_ptr().cast();
            proto.obj_size = socket::object_size::<P>() as c_uint;
        }
        // SAFETY: The structure is initialised and lives as long as the module. No slab cache is asked for.
        to_result(unsafe { c::proto_register(self.proto.get(), 0) })?;
        // SAFETY: The operations live as long as the module.
        let registered = to_result(unsafe {
            c::register_pppox_proto(P::NUMBER.into(), &ops::Operations::<P>::PPPOX)
        });
        if registered.is_err() {
            // SAFETY: Registered above, and there are no sockets.
            unsafe { c::proto_unregister(self.proto.get()) };
        }
        // INVARIANT: Both are registered.
        registered.map(|()| Registration { slot: self })
    }
}

impl<P: Protocol> Default for ProtocolSlot<P> {
    fn default() -> Self {
        Self::new()
    }
}

/// A registered [`Protocol`]; dropping it unregisters it.
///
/// # Invariants
///
/// The slot's `struct proto` is registered, and the family knows the protocol.
pub struct Registration<P: Protocol> {
    slot: &'static ProtocolSlot<P>,
}

impl<P: Protocol> Drop for Registration<P> {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariant. Sockets keep the module loaded, so there are none, nor is one being made.
        unsafe {
            c::unregister_pppox_proto(P::NUMBER.into());
            c::proto_unregister(self.slot.proto.get());
        }
    }
}
