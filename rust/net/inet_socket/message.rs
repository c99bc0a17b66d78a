// SPDX-License-Identifier: GPL-2.0

//! What is sent and received through a socket, with its addresses and ancillary data.
//!
//! C header: [`include/linux/socket.h`](srctree/include/linux/socket.h)

use super::{v6::V6, Family, InetSocket, Protocol};
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{error::to_result, prelude::*};
use net_bindings as c;

/// Flag of receiving: out-of-band data.
pub const MSG_OOB: u32 = c::MSG_OOB;
/// Flag of receiving: errors instead of data.
pub const MSG_ERRQUEUE: u32 = c::MSG_ERRQUEUE;
/// Flag of receiving: tell the length of the whole datagram, even if it does not fit.
pub const MSG_TRUNC: u32 = c::MSG_TRUNC;

/// The largest address that a message has room for.
const MAX_ADDRESS: usize = 128;

/// A message that is being sent or received: data, address, ancillary data.
///
/// # Invariants
///
/// `ptr` is a valid `msghdr` of the kernel for `'a`, used by nobody else. Its address is null or has `msg_namelen` bytes; room for
/// `struct sockaddr_storage` if the message is being received.
pub struct Message<'a> {
    ptr: NonNull<c::msghdr>,
    _p: PhantomData<&'a mut c::msghdr>,
}

impl Message<'_> {
    /// # Safety
    ///
    /// `ptr` must be the message of a `sendmsg` or `recvmsg` callback, for the lifetime that the caller picks.
    pub(super) unsafe fn from_raw(ptr: *mut c::msghdr) -> Self {
        Self {
            // SAFETY: Valid by the safety requirements. INVARIANT: as well.
            ptr: unsafe { NonNull::new_unchecked(ptr) },
            _p: PhantomData,
        }
    }

    pub(super) fn as_ptr(&self) -> *mut c::msghdr {
        self.ptr.as_ptr()
    }

    /// Where to send the message, as user space gave it: some `struct sockaddr_*`, or too little of one. `None` if it did not.
    pub fn address(&self) -> Option<&[u8]> {
        // SAFETY: Valid by the type invariant.
        let (name, len) = unsafe { ((*self.as_ptr()).msg_name, (*self.as_ptr()).msg_namelen) };
        let len = usize::try_from(len).unwrap_or(0);
        // SAFETY: That many bytes of it are valid, by the type invariant.
        (!name.is_null()).then(|| unsafe { core::slice::from_raw_parts(name.cast(), len) })
    }

    /// Flags of sending: a mask of `MSG_*`.
    pub fn flags(&self) -> u32 {
        // SAFETY: Valid by the type invariant.
        unsafe { (*self.as_ptr()).msg_flags }
    }
}

/// A datagram from a socket's queue. It stays there if it is only peeked at.
///
/// # Invariants
///
/// Owns a share of `skb`, a packet of the socket's family with the IP layer's header and control block.
pub struct Datagram<'a, P: Protocol> {
    socket: &'a InetSocket<P>,
    skb: NonNull<c::sk_buff>,
}

impl<P: Protocol> InetSocket<P> {
    /// The next datagram for the socket. Waits for it unless the socket or `flags`, a mask of `MSG_*`, say not to. `None` if the
    /// socket was shut down: there will be none.
    ///
    /// # Errors
    ///
    /// `EAGAIN`, `EINTR` and the like if there is none, or an error that the socket has.
    pub fn next_datagram(&self, flags: u32) -> Result<Option<Datagram<'_, P>>> {
        let mut error = 0;
        // SAFETY: The socket is alive and `error` valid for writes.
        let skb = unsafe { c::skb_recv_datagram(self.as_ptr(), flags, &mut error) };
        // INVARIANT: Received just above.
        match NonNull::new(skb) {
            Some(skb) => Ok(Some(Datagram { socket: self, skb })),
            None => to_result(error).map(|()| None),
        }
    }
}

impl<P: Protocol<Family = V6>> InetSocket<P> {
    /// Receives from the queue of errors (`MSG_ERRQUEUE`). Returns the length of the packet that the error is about.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if there is none.
    pub fn receive_error(&self, message: &mut Message<'_>, len: usize) -> Result<usize> {
        // CAST: A message is shorter than `INT_MAX`.
        // SAFETY: Socket and message are valid.
        length(unsafe { c::ipv6_recv_error(self.as_ptr(), message.as_ptr(), len as c_int) })
    }
}

/// The result of a C function: a length or a negative error.
pub(super) fn length(result: c_int) -> Result<usize> {
    to_result(result)?;
    Ok(usize::try_from(result).unwrap_or(0))
}

impl<P: Protocol> Datagram<'_, P> {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        // SAFETY: Valid by the type invariant.
        unsafe { (*self.skb.as_ptr()).len as usize }
    }

    /// Whether it has no data.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Source address.
    pub fn source(&self) -> <P::Family as Family>::Address {
        // SAFETY: By the type invariant.
        unsafe { P::Family::packet_source(self.skb.as_ptr()) }
    }

    /// Index of the device that it came through.
    pub fn interface(&self) -> u32 {
        // SAFETY: By the type invariant. CAST: Indices are positive.
        unsafe { P::Family::packet_interface(self.skb.as_ptr()) as u32 }
    }

    /// Copies the datagram into a message that has room for `room` bytes, with `address` (some `struct sockaddr_*`) as that of
    /// the sender, timestamps, and the ancillary data that the user asked for. Returns how many bytes were copied.
    ///
    /// # Errors
    ///
    /// `EFAULT`.
    pub fn copy_to(&self, message: &mut Message<'_>, room: usize, address: &[u8]) -> Result<usize> {
        let (sk, skb, msg) = (self.socket.as_ptr(), self.skb.as_ptr(), message.as_ptr());
        let copied = self.len().min(room);
        // SAFETY: Packet, message and socket are valid, by the type invariants. CAST: Datagrams are shorter than `INT_MAX`.
        unsafe {
            if copied < self.len() {
                (*msg).msg_flags |= c::MSG_TRUNC;
            }
            to_result(c::skb_copy_datagram_msg(skb, 0, msg, copied as c_int))?;
            c::sock_recv_timestamp(msg, sk, skb);
            let name = (*msg).msg_name.cast::<u8>();
            if !name.is_null() && address.len() <= MAX_ADDRESS {
                name.copy_from_nonoverlapping(address.as_ptr(), address.len());
                (*msg).msg_namelen = address.len() as c_int;
            }
            P::Family::receive_control(sk, msg, skb);
        }
        Ok(copied)
    }
}

impl<P: Protocol> Drop for Datagram<'_, P> {
    fn drop(&mut self) {
        // SAFETY: The share is ours by the type invariant.
        unsafe { c::skb_free_datagram(self.socket.as_ptr(), self.skb.as_ptr()) }
    }
}
