// SPDX-License-Identifier: GPL-2.0

//! Values of socket options, and arguments of ioctls: what protocols copy from and to their callers.
//!
//! C headers: [`include/linux/net.h`](srctree/include/linux/net.h), [`include/linux/sockptr.h`](srctree/include/linux/sockptr.h),
//! [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h)

use kernel::{
    iov::IovIterDest,
    prelude::*, //
};
use net_bindings as c;

/// The value that `setsockopt()` is to set, not read yet.
///
/// # Invariants
///
/// `ptr` is in user space, or is valid for reads of `len` bytes, for as long as this exists.
pub struct OptionValue {
    ptr: c::sockptr_t,
    len: usize,
}

impl OptionValue {
    /// # Safety
    ///
    /// `ptr` must be in user space, or valid for reads of `len` bytes while the value exists.
    #[inline]
    pub(crate) unsafe fn new(ptr: c::sockptr_t, len: c_uint) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            ptr,
            len: len as usize,
        }
    }

    /// Reads an `int`, which is what most options take; more bytes are ignored.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the value is too short, `EFAULT` if it cannot be read.
    pub fn int(&self) -> Result<c_int> {
        let mut value: c_int = 0;
        if self.len < size_of_val(&value) {
            return Err(EINVAL);
        }
        // SAFETY: `value` is valid for writes, and so many bytes can be read by the type invariant, or the function fails.
        let failed =
            unsafe { c::copy_from_sockptr((&raw mut value).cast(), self.ptr, size_of_val(&value)) };
        if failed != 0 {
            return Err(EFAULT);
        }
        Ok(value)
    }
}

/// Where `getsockopt()` puts a value.
pub struct OptionBuffer<'a> {
    opt: &'a mut c::sockopt_t,
}

impl<'a> OptionBuffer<'a> {
    /// # Safety
    ///
    /// `opt` must be what the socket layer passes to a protocol's `getsockopt_iter`, for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw(opt: *mut c::sockopt_t) -> Self {
        Self {
            // SAFETY: By the safety requirements it is valid, and nobody else's during the call.
            opt: unsafe { &mut *opt },
        }
    }

    /// How much the caller has room for, in bytes. Negative if the caller is mistaken.
    pub fn room(&self) -> c_int {
        self.opt.optlen
    }

    /// Gives an `int` to the caller: as many of its bytes as there is room for, and the information how many.
    ///
    /// # Errors
    ///
    /// `EFAULT` if they cannot be written.
    pub fn put_int(&mut self, value: c_int) -> Result {
        let bytes = value.to_ne_bytes();
        let len = usize::try_from(self.opt.optlen).map_err(|_| EINVAL)?;
        let bytes = bytes.get(..len).unwrap_or(&bytes);
        // CAST: At most four.
        self.opt.optlen = bytes.len() as c_int;
        // SAFETY: The socket layer initialised the iterator as a destination; it is ours during the call.
        let out = unsafe { IovIterDest::from_raw((&raw mut self.opt.iter_out).cast()) };
        if out.copy_to_iter(bytes) != bytes.len() {
            return Err(EFAULT);
        }
        Ok(())
    }
}

/// Whether `len` bytes from address `start` on can be user space at all: `access_ok()`.
pub fn may_be_user_space(start: usize, len: usize) -> bool {
    // SAFETY: The address is only compared.
    unsafe { c::access_ok(core::ptr::without_provenance(start), len) }
}
