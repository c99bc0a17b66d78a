// SPDX-License-Identifier: GPL-2.0

//! Netlink attributes: policies, reading those of a request, writing those of a message.
//!
//! A [`Policy`] says what the kernel checks in the attributes of a request before a handler sees them. The handler reads them
//! through [`Attributes`], and composes answers in a [`MessageBuffer`] with an [`AttributeWriter`]. Requests and messages as
//! such are the matter of the protocol on top, see [`genl`](crate::genl).
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)

use core::{marker::PhantomData, ptr::NonNull};
use kernel::{error::to_result, prelude::*};
use net_bindings as c;

/// Payload of the longest attribute: its length field has 16 bits and counts the header.
const PAYLOAD_MAX: usize = u16::MAX as usize - size_of::<c::nlattr>();

/// Payload for which the kernel makes message buffers by default (`NLMSG_DEFAULT_SIZE`).
pub const DEFAULT_PAYLOAD: usize = c::NLMSG_GOODSIZE - size_of::<c::nlmsghdr>();

/// What the kernel requires of one attribute, or rather of its payload.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct AttributePolicy(c::nla_policy);

// SAFETY: The policies that can be made here contain no pointers, and nobody changes them.
unsafe impl Sync for AttributePolicy {}

impl AttributePolicy {
    /// Any payload.
    pub const ANY: Self = Self::new(c::NLA_UNSPEC, 0);
    /// An integer of 8 bits.
    pub const U8: Self = Self::new(c::NLA_U8, 0);
    /// An integer of 16 bits.
    pub const U16: Self = Self::new(c::NLA_U16, 0);
    /// An integer of 32 bits.
    pub const U32: Self = Self::new(c::NLA_U32, 0);
    /// An integer of 64 bits.
    pub const U64: Self = Self::new(c::NLA_U64, 0);
    /// A number of milliseconds, an integer of 64 bits.
    pub const MSECS: Self = Self::new(c::NLA_MSECS, 0);
    /// No payload: present or not.
    pub const FLAG: Self = Self::new(c::NLA_FLAG, 0);
    /// More attributes.
    pub const NESTED: Self = Self::new(c::NLA_NESTED, 0);

    /// At most `max` bytes.
    pub const fn binary(max: u16) -> Self {
        Self::new(c::NLA_BINARY, max)
    }

    /// A string of at most `max` bytes and a NUL.
    pub const fn nul_string(max: u16) -> Self {
        Self::new(c::NLA_NUL_STRING, max)
    }

    const fn new(kind: c_uint, len: u16) -> Self {
        Self(c::nla_policy {
            // CAST: There are some twenty kinds.
            type_: kind as u8,
            len,
            ..pin_init::zeroed()
        })
    }
}

/// A table of policies for the attributes 0 to `N - 1`.
pub struct Policy<const N: usize>([AttributePolicy; N]);

impl<const N: usize> Policy<N> {
    /// A table that requires nothing of any attribute.
    pub const fn new() -> Self {
        Self([AttributePolicy::ANY; N])
    }

    /// Requires this of an attribute. For constants and statics: fails to compile if there is no such attribute.
    pub const fn with(mut self, attribute: u16, policy: AttributePolicy) -> Self {
        self.0[attribute as usize] = policy;
        self
    }

    /// The table for [`genl::Family`](crate::genl::Family).
    pub const fn as_slice(&self) -> &[AttributePolicy] {
        &self.0
    }
}

impl<const N: usize> Default for Policy<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// One attribute of a request.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    payload: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// # Safety
    ///
    /// `attribute` must point to an attribute that lies whole in a message which does not change for `'a`.
    unsafe fn from_raw(attribute: NonNull<c::nlattr>) -> Self {
        let header = size_of::<c::nlattr>();
        // SAFETY: By the safety requirements the header can be read.
        let length = usize::from(unsafe { (*attribute.as_ptr()).nla_len });
        // SAFETY: By the safety requirements the payload follows the header, up to the attribute's length.
        let payload = unsafe {
            core::slice::from_raw_parts(
                attribute.as_ptr().cast::<u8>().add(header),
                length.saturating_sub(header),
            )
        };
        Self { payload }
    }

    /// The whole payload.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The first `N` bytes, `None` if there are fewer.
    pub fn first<const N: usize>(&self) -> Option<[u8; N]> {
        self.payload.first_chunk().copied()
    }

    /// The payload up to the first NUL, `None` if there is none.
    pub fn c_str(&self) -> Option<&'a CStr> {
        CStr::from_bytes_until_nul(self.payload).ok()
    }
}

/// The attributes of a request: of each number the last one, as the kernel's parser leaves them.
///
/// The getters of integers return `None` if the attribute is absent or shorter than the integer. With a [`Policy`] that says
/// the attribute is such an integer, the kernel has refused the latter. Longer ones have always been accepted.
///
/// # Invariants
///
/// Each entry is null or points to an attribute that lies whole in a message which does not change for `'a`.
#[derive(Clone, Copy)]
pub struct Attributes<'a> {
    entries: &'a [*mut c::nlattr],
}

impl<'a> Attributes<'a> {
    /// # Safety
    ///
    /// `entries` must be null or point to `count` entries as the invariant says, which do not change for `'a`.
    pub(crate) unsafe fn from_raw(entries: *const *mut c::nlattr, count: usize) -> Self {
        let entries = if entries.is_null() {
            &[]
        } else {
            // SAFETY: By the safety requirements there are that many.
            unsafe { core::slice::from_raw_parts(entries, count) }
        };
        // INVARIANT: By the safety requirements.
        Self { entries }
    }

    pub(crate) fn raw(&self, attribute: u16) -> Option<NonNull<c::nlattr>> {
        NonNull::new(*self.entries.get(usize::from(attribute))?)
    }

    /// The attribute of this number.
    pub fn get(&self, attribute: u16) -> Option<Attribute<'a>> {
        let raw = self.raw(attribute)?;
        // SAFETY: By the type invariant.
        Some(unsafe { Attribute::from_raw(raw) })
    }

    /// Whether there is an attribute of this number.
    pub fn contains(&self, attribute: u16) -> bool {
        self.raw(attribute).is_some()
    }

    /// An integer of 8 bits.
    pub fn u8(&self, attribute: u16) -> Option<u8> {
        self.get(attribute)?.first().map(u8::from_ne_bytes)
    }

    /// An integer of 16 bits.
    pub fn u16(&self, attribute: u16) -> Option<u16> {
        self.get(attribute)?.first().map(u16::from_ne_bytes)
    }

    /// An integer of 32 bits.
    pub fn u32(&self, attribute: u16) -> Option<u32> {
        self.get(attribute)?.first().map(u32::from_ne_bytes)
    }

    /// An integer of 64 bits.
    pub fn u64(&self, attribute: u16) -> Option<u64> {
        self.get(attribute)?.first().map(u64::from_ne_bytes)
    }
}

/// Where a handler may say more about an error than its number (`NETLINK_EXT_ACK`).
#[derive(Clone, Copy)]
pub(crate) struct ExtAck<'a> {
    raw: *mut c::netlink_ext_ack,
    _request: PhantomData<&'a c::netlink_ext_ack>,
}

impl ExtAck<'_> {
    /// # Safety
    ///
    /// `raw` must be null or valid, and not be accessed by others, for the lifetime of the result.
    pub(crate) unsafe fn from_raw(raw: *mut c::netlink_ext_ack) -> Self {
        Self {
            raw,
            _request: PhantomData,
        }
    }

    /// Says what is wrong.
    pub(crate) fn set_message(&self, message: &'static CStr) {
        // SAFETY: The string is NUL-terminated.
        unsafe { c::do_trace_netlink_extack(message.as_char_ptr()) };
        if !self.raw.is_null() {
            // SAFETY: Valid and ours as `from_raw()` requires.
            unsafe { (*self.raw)._msg = message.as_char_ptr() };
        }
    }

    /// Says with which attribute of the request something is wrong.
    pub(crate) fn set_attribute(&self, attribute: NonNull<c::nlattr>) {
        if !self.raw.is_null() {
            // SAFETY: As above.
            unsafe { (*self.raw).bad_attr = attribute.as_ptr() };
        }
    }

    /// Says which attribute is missing.
    pub(crate) fn set_missing(&self, attribute: u16) {
        if !self.raw.is_null() {
            // SAFETY: Valid and ours as `from_raw()` requires.
            unsafe {
                (*self.raw).miss_type = attribute;
                (*self.raw).miss_nest = core::ptr::null();
            }
        }
    }
}

/// A buffer to compose messages in.
///
/// # Invariants
///
/// Owns a valid `sk_buff`.
pub struct MessageBuffer {
    skb: NonNull<c::sk_buff>,
}

// SAFETY: Nobody else knows of the buffer, and it may be freed on any CPU.
unsafe impl Send for MessageBuffer {}

impl MessageBuffer {
    /// Makes a buffer for a message with so much payload. May sleep. Fails with `ENOMEM`.
    pub fn new(payload: usize) -> Result<Self> {
        // SAFETY: Any size may be asked for.
        let skb = unsafe { c::nlmsg_new(payload, c::GFP_KERNEL) };
        // INVARIANT: `nlmsg_new()` gives the buffer to its caller.
        Ok(Self {
            skb: NonNull::new(skb).ok_or(ENOMEM)?,
        })
    }

    pub(crate) fn as_ptr(&self) -> *mut c::sk_buff {
        self.skb.as_ptr()
    }

    /// The buffer, to be owned by the caller.
    pub(crate) fn into_raw(self) -> *mut c::sk_buff {
        core::mem::ManuallyDrop::new(self).as_ptr()
    }
}

impl Drop for MessageBuffer {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the buffer is ours to free.
        unsafe { c::nlmsg_free(self.as_ptr()) };
    }
}

/// Writes attributes to the end of the message that is being composed.
///
/// Every method fails with `EMSGSIZE`, and writes nothing, if the attribute does not fit. Then the message as a whole is
/// cancelled by whoever began it: `?` is all that is to be done about the error.
///
/// # Invariants
///
/// `skb` is valid, and only this writer accesses it, for `'a`.
pub struct AttributeWriter<'a> {
    skb: NonNull<c::sk_buff>,
    _buffer: PhantomData<&'a mut c::sk_buff>,
}

impl AttributeWriter<'_> {
    /// # Safety
    ///
    /// `skb` must be valid, and only be accessed by the writer, for the lifetime of the result.
    pub(crate) unsafe fn from_raw(skb: NonNull<c::sk_buff>) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            skb,
            _buffer: PhantomData,
        }
    }

    /// Bytes in the buffer.
    fn len(&self) -> u32 {
        // SAFETY: By the type invariant `skb` is valid and nobody else changes it.
        unsafe { (*self.skb.as_ptr()).len }
    }

    /// Writes an attribute with any payload.
    pub fn put(&mut self, attribute: u16, payload: &[u8]) -> Result {
        if payload.len() > PAYLOAD_MAX {
            return Err(EMSGSIZE);
        }
        // SAFETY: `skb` is valid and ours by the type invariant, and `payload` has that many bytes.
        to_result(unsafe {
            c::nla_put(
                self.skb.as_ptr(),
                c_int::from(attribute),
                // CAST: Checked above.
                payload.len() as c_int,
                payload.as_ptr().cast(),
            )
        })
    }

    /// Writes an integer of 8 bits.
    pub fn put_u8(&mut self, attribute: u16, value: u8) -> Result {
        self.put(attribute, &value.to_ne_bytes())
    }

    /// Writes an integer of 16 bits.
    pub fn put_u16(&mut self, attribute: u16, value: u16) -> Result {
        self.put(attribute, &value.to_ne_bytes())
    }

    /// Writes an integer of 32 bits.
    pub fn put_u32(&mut self, attribute: u16, value: u32) -> Result {
        self.put(attribute, &value.to_ne_bytes())
    }

    /// Writes an integer of 64 bits, after an empty attribute `pad` where the architecture needs that for its alignment.
    pub fn put_u64(&mut self, attribute: u16, value: u64, pad: u16) -> Result {
        // SAFETY: `skb` is valid and ours by the type invariant.
        to_result(unsafe {
            c::nla_put_u64_64bit(
                self.skb.as_ptr(),
                c_int::from(attribute),
                value,
                c_int::from(pad),
            )
        })
    }

    /// Writes an empty attribute, whose presence is its meaning.
    pub fn put_flag(&mut self, attribute: u16) -> Result {
        self.put(attribute, &[])
    }

    /// Writes a string, given without NUL, and a NUL.
    pub fn put_string(&mut self, attribute: u16, value: &[u8]) -> Result {
        let length = value.len().saturating_add(1);
        if length > PAYLOAD_MAX {
            return Err(EMSGSIZE);
        }
        // CAST: Checked above.
        let (skb, length) = (self.skb.as_ptr(), length as c_int);
        // SAFETY: `skb` is valid and ours by the type invariant.
        let reserved = unsafe { c::nla_reserve(skb, c_int::from(attribute), length) };
        if reserved.is_null() {
            return Err(EMSGSIZE);
        }
        // SAFETY: The payload that was reserved follows the header: room for `value` and one byte. It is in a buffer that
        // only we access, so `value` is elsewhere.
        unsafe {
            let payload = reserved.add(1).cast::<u8>();
            core::ptr::copy_nonoverlapping(value.as_ptr(), payload, value.len());
            payload.add(value.len()).write(0);
        }
        Ok(())
    }

    /// Writes an attribute that contains those which `content` writes, without the flag `NLA_F_NESTED`: so did families
    /// that are older than the flag.
    pub fn put_nest_noflag(
        &mut self,
        attribute: u16,
        content: impl FnOnce(&mut AttributeWriter<'_>) -> Result,
    ) -> Result {
        let begin = self.len();
        // SAFETY: `skb` is valid and ours by the type invariant.
        let nest = unsafe { c::nla_nest_start_noflag(self.skb.as_ptr(), c_int::from(attribute)) };
        if nest.is_null() {
            return Err(EMSGSIZE);
        }
        let result = content(self).and_then(|()| {
            let length = self.len().saturating_sub(begin);
            u16::try_from(length).map_err(|_| EMSGSIZE)
        });
        match result {
            Ok(_) => {
                // SAFETY: The nest was started in `skb` just above, nothing but attributes was written since, and its
                // length fits into its header. A writer never shortens what was there before it began.
                unsafe { c::nla_nest_end(self.skb.as_ptr(), nest) };
                Ok(())
            }
            Err(error) => {
                // SAFETY: `skb` is valid, linear and ours; it had this length before.
                unsafe { c::skb_trim(self.skb.as_ptr(), begin) };
                Err(error)
            }
        }
    }
}
