// SPDX-License-Identifier: GPL-2.0

//! The sockets of a PPPoX protocol, as the protocol sees them.

use super::{
    ops::Operations,
    Protocol, //
};
use crate::{
    namespace::Namespace,
    ppp::{
        Channel,
        Config, //
    },
    rcu::ReadSide,
    skb::SkBuff, //
};
use core::{
    marker::PhantomData,
    mem::{
        align_of,
        size_of, //
    },
    ops::Deref,
    ptr::{
        null_mut,
        NonNull, //
    },
    sync::atomic::{
        AtomicPtr,
        Ordering, //
    },
};
use kernel::{
    iov::IovIterSource,
    prelude::*,
    types::Opaque, //
};
use net_bindings as c;

/// What is allocated for a socket.
///
/// `sock` comes first in `pppox_sock`, so the three have the same address.
#[repr(C)]
pub(super) struct Object<P> {
    pub(super) pppox: c::pppox_sock,
    pub(super) data: P,
}

/// Size of what is allocated for a socket of `P`, in bytes.
pub(super) const fn object_size<P>() -> usize {
    // The kernel allocates it with `kmalloc()`.
    const { assert!(align_of::<Object<P>>() <= 8) };
    size_of::<Object<P>>()
}

/// A socket of protocol `P`.
///
/// # Invariants
///
/// Wraps a live socket that was made for `P`: an [`Object<P>`] whose `data` is initialised, and constant but for interior
/// mutability.
#[repr(transparent)]
pub struct Socket<P: Protocol>(Opaque<Object<P>>);

// SAFETY: Sockets are shared by all CPUs. What this type offers is locked, atomic, or read as the kernel itself reads it.
unsafe impl<P: Protocol> Sync for Socket<P> {}

impl<P: Protocol> Socket<P> {
    /// Borrows a socket.
    ///
    /// # Safety
    ///
    /// `sk` must stay a valid socket of `P`, whose `data` is initialised, for `'a`.
    #[inline]
    pub(super) unsafe fn from_raw<'a>(sk: *mut c::sock) -> &'a Self {
        // SAFETY: By the safety requirements; the type is a transparent wrapper of what has the socket's address.
        unsafe { &*sk.cast() }
    }

    #[inline]
    pub(super) fn as_ptr(&self) -> *mut c::sock {
        self.0.get().cast()
    }

    /// The bits of `PPPOX_*` that say what the socket is doing: 0 nothing, 1 connected, 2 bound, 16 dead.
    #[inline]
    pub fn state(&self) -> u8 {
        // SAFETY: Alive by the type invariant; the state is a byte that is read in one go.
        unsafe { (&raw const (*self.as_ptr()).__sk_common.skc_state).read_volatile() }
    }

    /// Whether the socket is connected.
    #[inline]
    pub fn is_connected(&self) -> bool {
        u32::from(self.state()) & c::PPPOX_CONNECTED != 0
    }

    /// Whether the channel has been handed over to generic PPP, which gets what is received from then on.
    #[inline]
    pub fn is_bound(&self) -> bool {
        u32::from(self.state()) & c::PPPOX_BOUND != 0
    }

    /// The namespace of the socket, which it counts.
    #[inline]
    pub fn namespace(&self) -> &Namespace {
        // SAFETY: The socket is alive, and keeps its namespace.
        unsafe { Namespace::from_raw(c::sock_net(self.as_ptr())) }
    }

    /// The socket's channel, registered or not.
    #[inline]
    pub fn channel(&self) -> &Channel {
        // SAFETY: It lies in the socket, which is alive; zeroed when that was made, it has always been initialised.
        unsafe { Channel::from_raw(&raw mut (*self.0.get()).pppox.chan) }
    }

    /// Takes a reference, if the socket still has one: found under RCU, it may be about to be freed.
    pub fn try_hold(&self) -> Option<SocketRef<P>> {
        // SAFETY: Not freed by the type invariant. INVARIANT: Held here.
        unsafe { c::sock_hold_not_zero(self.as_ptr()) }.then(|| SocketRef(NonNull::from(self)))
    }

    /// Takes the socket lock. May sleep.
    pub fn lock(&self) -> LockedSocket<'_, P> {
        // SAFETY: Alive by the type invariant. INVARIANT: Locked here.
        unsafe { c::lock_sock(self.as_ptr()) };
        LockedSocket(self)
    }

    /// Gives a frame to who reads from the socket.
    ///
    /// # Errors
    ///
    /// The frame comes back if the queue is full, or a filter refuses it.
    pub fn queue(&self, skb: SkBuff) -> Result<(), SkBuff> {
        let skb = skb.into_raw();
        // SAFETY: The socket is alive, and the packet ours.
        match unsafe { c::sock_queue_rcv_skb_reason(self.as_ptr(), skb) } {
            0 => Ok(()),
            // SAFETY: A packet that is not queued stays ours.
            _ => Err(unsafe { SkBuff::from_raw(skb) }),
        }
    }

    /// Makes a packet of `len` bytes of `payload`, with `headroom` bytes before them, charged to the socket. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory, or too much is on its way already; `EFAULT` if the bytes cannot be read.
    pub fn packet(
        &self,
        payload: &mut IovIterSource<'_>,
        headroom: usize,
        len: usize,
    ) -> Result<SkBuff> {
        let size = headroom.checked_add(len).ok_or(ENOMEM)?;
        let (Ok(_), Ok(len)) = (u32::try_from(size), u32::try_from(len)) else {
            return Err(ENOMEM);
        };
        // SAFETY: The socket is alive.
        let skb = unsafe { c::sock_wmalloc(self.as_ptr(), size, 0, c::GFP_KERNEL) };
        if skb.is_null() {
            return Err(ENOMEM);
        }
        // SAFETY: A new buffer, which has `size` bytes of room from `data` on, and no data: moving `data` and `tail` by `headroom`
        // and then `tail` by `len` stays inside. The slice is the new data, which is zeroed before it is one.
        let (skb, data) = unsafe {
            (*skb).data = (*skb).data.add(headroom);
            (*skb).tail = (*skb).tail.wrapping_add(headroom as c::sk_buff_data_t);
            let data = c::skb_put(skb, len).cast::<u8>();
            data.write_bytes(0, len as usize);
            (
                SkBuff::from_raw(skb),
                core::slice::from_raw_parts_mut(data, len as usize),
            )
        };
        if payload.copy_from_iter(data) != data.len() {
            return Err(EFAULT);
        }
        Ok(skb)
    }
}

impl<P: Protocol> Deref for Socket<P> {
    type Target = P;

    #[inline]
    fn deref(&self) -> &P {
        // SAFETY: Initialised and constant by the type invariant.
        unsafe { &(*self.0.get()).data }
    }
}

/// A socket whose lock is held.
///
/// # Invariants
///
/// The current task owns the socket lock.
pub struct LockedSocket<'a, P: Protocol>(&'a Socket<P>);

impl<P: Protocol> LockedSocket<'_, P> {
    /// Registers the socket's channel in the socket's namespace. It is unregistered when the socket is closed.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EBUSY` if it is registered.
    pub fn register_channel(&self, config: &Config) -> Result {
        // SAFETY: The channel lies in the socket, which is alive; the lock is held by the type invariant, so nobody registers or
        // unregisters it.
        if unsafe { !(*self.0 .0.get()).pppox.chan.ppp.is_null() } {
            return Err(EBUSY);
        }
        // SAFETY: Not registered, as was just seen. The operations expect the socket, and when that is closed, while it is
        // connected or bound, the family unregisters the channel. The socket lives until then.
        unsafe {
            self.channel().register(
                self.namespace(),
                config,
                &Operations::<P>::CHANNEL,
                self.as_ptr().cast(),
            )
        }
    }

    /// Marks the socket as connected.
    pub fn set_connected(&self) {
        // SAFETY: Alive, and the lock that protects the state is held, by the type invariant.
        unsafe {
            (&raw mut (*self.as_ptr()).__sk_common.skc_state)
                .write_volatile(c::PPPOX_CONNECTED as u8)
        }
    }
}

impl<P: Protocol> Deref for LockedSocket<'_, P> {
    type Target = Socket<P>;

    fn deref(&self) -> &Socket<P> {
        self.0
    }
}

impl<P: Protocol> Drop for LockedSocket<'_, P> {
    fn drop(&mut self) {
        // SAFETY: The lock is ours by the type invariant.
        unsafe { c::release_sock(self.0.as_ptr()) }
    }
}

/// A counted reference to a socket.
///
/// # Invariants
///
/// Owns one reference (`sock_hold()`).
pub struct SocketRef<P: Protocol>(NonNull<Socket<P>>);

// SAFETY: References may be used and given back anywhere; the last one gone, the socket is freed by RCU.
unsafe impl<P: Protocol> Send for SocketRef<P> {}
// SAFETY: Gives access to `&Socket<P>`, which is `Sync`.
unsafe impl<P: Protocol> Sync for SocketRef<P> {}

impl<P: Protocol> Deref for SocketRef<P> {
    type Target = Socket<P>;

    #[inline]
    fn deref(&self) -> &Socket<P> {
        // SAFETY: Alive by the type invariant, as long as `self`.
        unsafe { self.0.as_ref() }
    }
}

impl<P: Protocol> Drop for SocketRef<P> {
    fn drop(&mut self) {
        // SAFETY: The reference is ours by the type invariant.
        unsafe { c::sock_put(self.as_ptr()) }
    }
}

/// A place for a [`SocketRef`], or nothing, that the receive path reads under RCU.
///
/// # Invariants
///
/// `ptr` is null, or the slot owns a reference of the socket. Sockets of [`Protocol`]s are freed a grace period after their last
/// reference is gone.
pub struct SocketSlot<P: Protocol> {
    ptr: AtomicPtr<Socket<P>>,
    _p: PhantomData<SocketRef<P>>,
}

impl<P: Protocol> SocketSlot<P> {
    /// An empty slot.
    pub const fn new() -> Self {
        // INVARIANT: Null.
        Self {
            ptr: AtomicPtr::new(null_mut()),
            _p: PhantomData,
        }
    }

    /// The socket, if there is one now.
    #[inline]
    pub fn get<'a>(&self, _read: ReadSide<'a>) -> Option<&'a Socket<P>> {
        let ptr = self.ptr.load(Ordering::Acquire);
        // SAFETY: By the type invariant the socket was referenced when it was found, and is freed a grace period after its last
        // reference is gone: not before `'a` ends.
        unsafe { ptr.as_ref() }
    }

    /// Puts another socket, or none, into the slot, and returns the one that was there.
    pub fn replace(&self, socket: Option<SocketRef<P>>) -> Option<SocketRef<P>> {
        let new = socket.map_or(null_mut(), |socket| {
            core::mem::ManuallyDrop::new(socket).0.as_ptr()
        });
        // Fully ordered: who replaces something looks at other variables too. INVARIANT: The slot owns the new reference, and
        // the old one goes to the caller.
        NonNull::new(self.ptr.swap(new, Ordering::SeqCst)).map(SocketRef)
    }
}

impl<P: Protocol> Default for SocketSlot<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Protocol> Drop for SocketSlot<P> {
    fn drop(&mut self) {
        drop(self.replace(None));
    }
}
