// SPDX-License-Identifier: GPL-2.0

//! Socket buffers.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

mod offload;

use crate::namespace::Namespace;
use core::{
    mem::{align_of, size_of, ManuallyDrop},
    ptr::{null_mut, NonNull},
};
use kernel::prelude::*;
use net_bindings as c;

pub use self::offload::{Load, Split};

/// Why a packet is dropped, as drop monitors report it (`skb:kfree_skb`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Reason {
    /// No particular reason.
    NotSpecified = c::skb_drop_reason_SKB_DROP_REASON_NOT_SPECIFIED,
    /// Nobody to receive it.
    NoSocket = c::skb_drop_reason_SKB_DROP_REASON_NO_SOCKET,
    /// The packet is shorter than its headers say, or not long enough for the headers it must have.
    HeaderTruncated = c::skb_drop_reason_SKB_DROP_REASON_HDR_TRUNC,
    /// The packet is too short to be valid.
    TooSmall = c::skb_drop_reason_SKB_DROP_REASON_PKT_TOO_SMALL,
    /// The packet is longer than what can be sent.
    TooBig = c::skb_drop_reason_SKB_DROP_REASON_PKT_TOO_BIG,
    /// Not what this end of a tunnel was told to accept, such as a wrong cookie.
    InvalidProtocol = c::skb_drop_reason_SKB_DROP_REASON_INVALID_PROTO,
    /// No route to the destination.
    NoRoute = c::skb_drop_reason_SKB_DROP_REASON_IP_OUTNOROUTES,
    /// No memory.
    NoMemory = c::skb_drop_reason_SKB_DROP_REASON_NOMEM,
    /// The device is not ready to take it.
    DeviceNotReady = c::skb_drop_reason_SKB_DROP_REASON_DEV_READY,
    /// The tunnel's socket has no peer.
    NotConnected = c::skb_drop_reason_SKB_DROP_REASON_NO_TX_TARGET,
    /// The packet would be sent through the very tunnel that it comes from.
    Recursion = c::skb_drop_reason_SKB_DROP_REASON_RECURSION_LIMIT,
    /// An IPsec policy does not accept it.
    Policy = c::skb_drop_reason_SKB_DROP_REASON_XFRM_POLICY,
    /// Discarded with the queue that it waited in.
    QueuePurge = c::skb_drop_reason_SKB_DROP_REASON_QUEUE_PURGE,
    /// The sequence number is not acceptable.
    OldSequence = c::skb_drop_reason_SKB_DROP_REASON_TCP_OLD_SEQUENCE,
}

/// A socket buffer that the caller owns: forwarded, or freed exactly once.
///
/// Dropping the value frees the buffer as a dropped packet with [`Reason::NotSpecified`]; [`SkBuff::discard`] gives a reason.
///
/// # Invariants
///
/// `ptr` is a valid `sk_buff` whose only user is this value. (Its data may be shared with clones.)
pub struct SkBuff {
    ptr: NonNull<c::sk_buff>,
}

// SAFETY: Buffers are handed from CPU to CPU all the time.
unsafe impl Send for SkBuff {}

impl SkBuff {
    /// Takes ownership of a buffer.
    ///
    /// # Safety
    ///
    /// `ptr` must be a valid buffer that has one user, which gives it up.
    #[inline]
    pub unsafe fn from_raw(ptr: *mut c::sk_buff) -> Self {
        // SAFETY: Valid by the safety requirements.
        let ptr = unsafe { NonNull::new_unchecked(ptr) };
        // INVARIANT: As well.
        Self { ptr }
    }

    /// Takes ownership of a buffer that may have other users, by cloning it if it has.
    ///
    /// Returns `None`, and the buffer is gone, if there is no memory for that.
    ///
    /// # Safety
    ///
    /// `ptr` must be a valid buffer of which the caller gives up one user's share.
    #[inline]
    pub unsafe fn from_raw_shared(ptr: *mut c::sk_buff) -> Option<Self> {
        // SAFETY: Valid by the safety requirements; the function returns a buffer that is ours alone, or null.
        let ptr = unsafe { c::skb_share_check(ptr, c::GFP_ATOMIC) };
        // INVARIANT: Not shared any more.
        NonNull::new(ptr).map(|ptr| Self { ptr })
    }

    /// Gives the buffer away.
    #[inline]
    pub fn into_raw(self) -> *mut c::sk_buff {
        ManuallyDrop::new(self).ptr.as_ptr()
    }

    /// The raw pointer, still owned by `self`.
    #[inline]
    pub fn as_ptr(&self) -> *mut c::sk_buff {
        self.ptr.as_ptr()
    }

    /// Allocates a buffer of `len` zeroed bytes of data with `headroom` bytes before them. Does not sleep.
    pub fn alloc(headroom: usize, len: usize) -> Result<Self> {
        let size = headroom.checked_add(len).ok_or(EOVERFLOW)?;
        // SAFETY: No requirements; the result is checked.
        let ptr = unsafe { c::__alloc_skb(u32::try_from(size)?, c::GFP_ATOMIC, 0, -1) };
        let ptr = NonNull::new(ptr).ok_or(ENOMEM)?;
        // SAFETY: A new buffer has `size` bytes of room from `data` on, and no data: moving `data` and `tail` by `headroom`
        // and then `tail` by `len` stays inside. INVARIANT: It is new.
        unsafe {
            let skb = ptr.as_ptr();
            (*skb).data = (*skb).data.add(headroom);
            (*skb).tail = (*skb).tail.wrapping_add(headroom as c::sk_buff_data_t);
            let data = c::skb_put(skb, len as u32).cast::<u8>();
            data.write_bytes(0, len);
        }
        Ok(Self { ptr })
    }

    /// Frees the buffer as a packet dropped for `reason`.
    #[inline]
    pub fn discard(self, reason: Reason) {
        // SAFETY: The buffer is ours and gone with this. `Reason` has the values of the C enum.
        unsafe { c::sk_skb_reason_drop(core::ptr::null(), self.into_raw(), reason as u32) }
    }

    /// Frees the buffer as a packet that reached its destination.
    #[inline]
    pub fn consume(self) {
        // SAFETY: The buffer is ours and gone with this.
        unsafe { c::consume_skb(self.into_raw()) }
    }

    /// Length of the packet from the data pointer on, in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        // SAFETY: Valid by the type invariant.
        unsafe { (*self.ptr.as_ptr()).len as usize }
    }

    /// Whether there is no data.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The part of the data that is in the linear area.
    #[inline]
    pub fn data(&self) -> &[u8] {
        let skb = self.ptr.as_ptr();
        // SAFETY: `skb_headlen()` bytes from `data` on are initialised memory of the buffer. They do not move or change
        // while `self` is borrowed: all functions that could change them take `&mut self`.
        unsafe {
            let linear = (*skb).len.wrapping_sub((*skb).data_len) as usize;
            // The compiler does not conclude it from the reference, and would look where `None` is told from it.
            core::hint::assert_unchecked(!(*skb).data.is_null());
            core::slice::from_raw_parts((*skb).data, linear)
        }
    }

    /// Makes sure that the first `len` bytes are in the linear area. Returns false if the packet is too short, or there is no
    /// memory.
    #[inline]
    pub fn may_pull(&mut self, len: usize) -> bool {
        if len <= self.data().len() {
            return true;
        }
        // SAFETY: Valid by the type invariant, and ours.
        unsafe { pull_tail(self.ptr.as_ptr(), len) }
    }

    /// The first `N` bytes, moved into the linear area if need be; `None` as for [`SkBuff::may_pull`].
    #[inline]
    pub fn pull_up<const N: usize>(&mut self) -> Option<&[u8; N]> {
        // SAFETY: If there are not so many bytes in the linear area the packet is valid and ours. Then there are.
        unsafe {
            let skb = self.ptr.as_ptr();
            if N > self.data().len() && !pull_tail(skb, N) {
                return None;
            }
            // See `data()`.
            core::hint::assert_unchecked(!(*skb).data.is_null());
            Some(&*(*skb).data.cast())
        }
    }

    /// Removes the first `len` bytes, which must be in the linear area. Returns whether they were.
    #[inline]
    pub fn pull(&mut self, len: usize) -> bool {
        if len > self.data().len() {
            return false;
        }
        // SAFETY: So many bytes are in the linear area.
        unsafe { self.pull_unchecked(len) };
        true
    }

    /// The same for headers of what the packet carries: a checksum of the packet, which a network device or the kernel has computed, is
    /// corrected for them, and one that was left to others is forgotten if it would begin in them.
    #[inline]
    pub fn pull_header(&mut self, len: usize) -> bool {
        let start = self.data().as_ptr();
        if !self.pull(len) {
            return false;
        }
        // SAFETY: Valid by the type invariant, and ours; the `len` bytes are in front of the data now. CAST: At most its length.
        unsafe { c::skb_postpull_rcsum(self.as_ptr(), start.cast(), len as u32) };
        true
    }

    /// [`SkBuff::pull`] for who knows that they are.
    ///
    /// # Safety
    ///
    /// The first `len` bytes must be in the linear area.
    #[inline]
    pub(crate) unsafe fn pull_unchecked(&mut self, len: usize) {
        // SAFETY: The buffer is valid, and `len` bytes are in its linear area. CAST: At most the packet's length.
        unsafe {
            let skb = self.ptr.as_ptr();
            (*skb).len = (*skb).len.wrapping_sub(len as u32);
            (*skb).data = (*skb).data.add(len);
        }
    }

    /// Bytes that can be pushed in front of the data.
    #[inline]
    pub fn headroom(&self) -> usize {
        // SAFETY: Valid by the type invariant; `data` is never before `head`.
        unsafe {
            let skb = self.ptr.as_ptr();
            ((*skb).data as usize).wrapping_sub((*skb).head as usize)
        }
    }

    /// Makes sure that `headroom` bytes can be pushed, and that the header is not shared with a clone.
    #[inline]
    pub fn cow_head(&mut self, headroom: usize) -> Result {
        // SAFETY: Valid by the type invariant, and not shared, which expanding the head requires.
        // CAST: Callers ask for headers' sizes.
        kernel::error::to_result(unsafe { c::skb_cow_head(self.ptr.as_ptr(), headroom as u32) })
    }

    /// Puts `len` bytes in front of the data and returns them, to be filled in.
    ///
    /// Returns `None` if there is no room: [`SkBuff::cow_head`] makes it. The bytes have unspecified contents.
    #[inline]
    pub fn push(&mut self, len: usize) -> Option<&mut [u8]> {
        if len > self.headroom() {
            return None;
        }
        // SAFETY: The buffer is valid and has `len` bytes of headroom, which are initialised memory (of any content) that
        // nobody else uses: callers made the header private with `cow_head()`.
        unsafe {
            let skb = self.ptr.as_ptr();
            (*skb).data = (*skb).data.sub(len);
            (*skb).len = (*skb).len.wrapping_add(len as u32);
            Some(core::slice::from_raw_parts_mut((*skb).data, len))
        }
    }

    /// Marks the first byte of data as the network header.
    #[inline]
    pub fn reset_network_header(&mut self) {
        // SAFETY: Valid by the type invariant; `data` is inside the buffer, whose size fits.
        unsafe {
            let skb = self.ptr.as_ptr();
            let offset = ((*skb).data as usize).wrapping_sub((*skb).head as usize);
            (*skb).__bindgen_anon_4.headers.as_mut().network_header = offset as u16;
        }
    }

    /// Marks the first byte of data as the transport header.
    #[inline]
    pub fn reset_transport_header(&mut self) {
        // SAFETY: Valid by the type invariant; `data` is inside the buffer, whose size fits.
        unsafe {
            let skb = self.ptr.as_ptr();
            let offset = ((*skb).data as usize).wrapping_sub((*skb).head as usize);
            (*skb).__bindgen_anon_4.headers.as_mut().transport_header = offset as u16;
        }
    }

    /// Zeroes the control block, as IP output expects.
    #[inline]
    pub fn clear_cb(&mut self) {
        // SAFETY: Valid by the type invariant.
        unsafe { (*self.ptr.as_ptr()).cb = [0; 48] }
    }

    /// Drops the connection tracking state.
    #[inline]
    pub fn reset_conntrack(&mut self) {
        #[cfg(CONFIG_NF_CONNTRACK)]
        // SAFETY: Valid by the type invariant.
        unsafe {
            if (*self.ptr.as_ptr())._nfct != 0 {
                c::nf_reset_ct(self.ptr.as_ptr());
            }
        }
    }

    /// Drops the route.
    #[inline]
    pub fn drop_dst(&mut self) {
        // SAFETY: Valid by the type invariant; the union holds a route or null outside of TCP's and sockmap's queues.
        unsafe {
            if (*self.ptr.as_ptr())
                .__bindgen_anon_3
                .__bindgen_anon_1
                ._skb_refdst
                != 0
            {
                c::skb_dst_drop(self.ptr.as_ptr());
            }
        }
    }

    /// Lets go of what a packet may only refer to while it is being processed, so that it can wait: its route, and its device,
    /// for which the namespace's loopback device stands in.
    pub fn detach(&mut self, ns: &Namespace) {
        self.drop_dst();
        // SAFETY: Valid by the type invariant. A namespace's loopback device is its last to go.
        unsafe {
            (*self.ptr.as_ptr())
                .__bindgen_anon_1
                .__bindgen_anon_1
                .__bindgen_anon_1
                .dev = (*ns.as_ptr()).loopback_dev;
        }
    }

    /// Forgets which device the packet is on.
    #[inline]
    pub fn forget_device(&mut self) {
        // SAFETY: Valid by the type invariant; the union holds a device outside of sockets' queues.
        unsafe {
            (*self.ptr.as_ptr())
                .__bindgen_anon_1
                .__bindgen_anon_1
                .__bindgen_anon_1
                .dev = null_mut();
        }
    }

    /// Gives the packet up to the network stack as one that belongs to no socket.
    #[inline]
    pub fn orphan(&mut self) {
        // SAFETY: Valid by the type invariant.
        unsafe {
            let skb = self.ptr.as_ptr();
            if (*skb)
                .__bindgen_anon_3
                .__bindgen_anon_1
                .destructor
                .is_some()
                || !(*skb).sk.is_null()
            {
                c::skb_orphan(skb);
            }
        }
    }

    /// Forgets the hash of the flow that the packet was in.
    #[inline]
    pub fn clear_hash(&mut self) {
        // SAFETY: Valid by the type invariant.
        unsafe { c::skb_clear_hash(self.ptr.as_ptr()) }
    }

    /// Forgets that somebody has verified a checksum in the packet.
    #[inline]
    pub fn forget_verified_checksum(&mut self) {
        // SAFETY: Valid by the type invariant.
        unsafe {
            if c::skb_ip_summed_is_unnecessary(self.ptr.as_ptr()) {
                c::skb_set_ip_summed_none(self.ptr.as_ptr());
            }
        }
    }

    /// The network device that the packet is on, as a mere address; null if there is none.
    #[inline]
    pub(crate) fn device_address(&self) -> *const c::net_device {
        // SAFETY: Valid by the type invariant; the union holds a device outside of sockets' queues.
        unsafe {
            (*self.ptr.as_ptr())
                .__bindgen_anon_1
                .__bindgen_anon_1
                .__bindgen_anon_1
                .dev
        }
    }
}

/// Moves data into the linear area until there are `len` bytes.
///
/// # Safety
///
/// `skb` must be valid, with less than `len` bytes in the linear area, and the caller's alone.
#[cold]
unsafe fn pull_tail(skb: *mut c::sk_buff, len: usize) -> bool {
    // SAFETY: By the safety requirements; checked to have that many bytes. CAST: At most the packet's length.
    unsafe {
        let linear = (*skb).len.wrapping_sub((*skb).data_len) as usize;
        len <= (*skb).len as usize
            && !c::__pskb_pull_tail(skb, len.wrapping_sub(linear) as c_int).is_null()
    }
}

impl Drop for SkBuff {
    fn drop(&mut self) {
        // SAFETY: The buffer is ours and gone with this.
        unsafe {
            c::sk_skb_reason_drop(
                core::ptr::null(),
                self.ptr.as_ptr(),
                Reason::NotSpecified as u32,
            );
        }
    }
}

/// A queue of packets, each with some information of type `M`, kept in the packets' control blocks.
///
/// Not locked: it is data inside somebody's lock. Adding a packet allocates nothing.
///
/// # Invariants
///
/// `head` starts a null-terminated list through `next` of `len` packets that the queue owns, of which `tail` is the last, and
/// each packet's control block holds a valid `M`.
pub struct Queue<M: Copy> {
    head: *mut c::sk_buff,
    tail: *mut c::sk_buff,
    len: usize,
    _p: core::marker::PhantomData<M>,
}

// SAFETY: The queue owns its packets, and `M` is plain data.
unsafe impl<M: Copy + Send> Send for Queue<M> {}

impl<M: Copy> Queue<M> {
    /// The information must fit the control block.
    const FITS: () = assert!(size_of::<M>() <= 48 && align_of::<M>() <= 8);

    /// An empty queue.
    pub const fn new() -> Self {
        Self {
            head: null_mut(),
            tail: null_mut(),
            len: 0,
            _p: core::marker::PhantomData,
        }
    }

    /// Number of packets.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no packet.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    fn info(skb: *mut c::sk_buff) -> *mut M {
        let () = Self::FITS;
        // SAFETY: The caller passes a valid packet.
        unsafe { (&raw mut (*skb).cb).cast() }
    }

    fn link(skb: *mut c::sk_buff) -> *mut *mut c::sk_buff {
        // SAFETY: The caller passes a valid packet.
        unsafe { &raw mut (*skb).__bindgen_anon_1.__bindgen_anon_1.next }
    }

    /// The information of the last packet.
    #[inline]
    pub fn back(&self) -> Option<M> {
        // SAFETY: As for `front()`.
        (!self.tail.is_null()).then(|| unsafe { *Self::info(self.tail) })
    }

    /// The information of the first packet.
    #[inline]
    pub fn front(&self) -> Option<M> {
        // SAFETY: By the type invariant a packet in the queue is valid and its control block holds an `M`.
        (!self.head.is_null()).then(|| unsafe { *Self::info(self.head) })
    }

    /// Appends a packet.
    pub fn push_back(&mut self, skb: SkBuff, info: M) {
        let skb = skb.into_raw();
        // SAFETY: The packet is ours, its control block is large enough and aligned for an `M`, and `tail` is a valid packet
        // of the queue unless that is empty.
        unsafe {
            Self::info(skb).write(info);
            *Self::link(skb) = null_mut();
            if self.tail.is_null() {
                self.head = skb;
            } else {
                *Self::link(self.tail) = skb;
            }
        }
        self.tail = skb;
        // INVARIANT: One more, linked and with its information.
        self.len = self.len.wrapping_add(1);
    }

    /// Inserts a packet before the first one for which `before` holds. Returns false if there is none, and appends it.
    pub fn insert_before(&mut self, skb: SkBuff, info: M, before: impl Fn(&M) -> bool) -> bool {
        let skb = skb.into_raw();
        // SAFETY: The packet is ours; the control block is large enough and aligned for an `M`.
        unsafe { Self::info(skb).write(info) };
        let mut at: *mut *mut c::sk_buff = &mut self.head;
        // SAFETY: `at` is the head pointer, or the link of a packet in the queue; all of them are valid.
        let inserted = unsafe {
            while !(*at).is_null() && !before(&*Self::info(*at)) {
                at = Self::link(*at);
            }
            let next = *at;
            *Self::link(skb) = next;
            *at = skb;
            !next.is_null()
        };
        if !inserted {
            self.tail = skb;
        }
        // INVARIANT: One more, linked and with its information.
        self.len = self.len.wrapping_add(1);
        inserted
    }

    /// Takes the first packet out.
    pub fn pop_front(&mut self) -> Option<(SkBuff, M)> {
        let skb = self.head;
        if skb.is_null() {
            return None;
        }
        // SAFETY: By the type invariant the packet is valid, ours, and holds an `M`.
        let (skb, info) = unsafe {
            self.head = *Self::link(skb);
            *Self::link(skb) = null_mut();
            (SkBuff::from_raw(skb), *Self::info(skb))
        };
        if self.head.is_null() {
            self.tail = null_mut();
        }
        self.len = self.len.wrapping_sub(1);
        Some((skb, info))
    }
}

impl<M: Copy> Default for Queue<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Copy> Drop for Queue<M> {
    fn drop(&mut self) {
        while let Some((skb, _)) = self.pop_front() {
            skb.discard(Reason::QueuePurge);
        }
    }
}
