// SPDX-License-Identifier: GPL-2.0

//! Error codes of sockets that the kernel crate names only since 7.3. Importing one by its name prefers it to the prelude's.

use core::{
    mem::{align_of, size_of},
    num::NonZeroI32,
};
use kernel::prelude::*;
use net_bindings as c;

/// `Error::from_errno()`, for constants.
const fn error(errno: u32) -> Error {
    const {
        assert!(
            size_of::<Error>() == size_of::<NonZeroI32>()
                && align_of::<Error>() == align_of::<NonZeroI32>()
        )
    };
    // The range of `MAX_ERRNO`.
    assert!(errno > 0 && errno < 4096);
    // CAST: Checked just above.
    match NonZeroI32::new(-(errno as i32)) {
        // SAFETY: An `Error` is a structure with this as its only field, which fills it, and the number is in the range of errors.
        Some(errno) => unsafe { core::mem::transmute::<NonZeroI32, Error>(errno) },
        None => unreachable!(),
    }
}

macro_rules! errors {
    ($($name:ident $what:literal,)*) => {
        $(#[doc = $what] pub const $name: Error = error(c::$name);)*
    };
}

errors! {
    ENOSYS "Invalid system call number.",
    EBADR "Invalid request descriptor.",
    EDESTADDRREQ "Destination address required.",
    EPROTOTYPE "Protocol wrong type for socket.",
    ENOPROTOOPT "Protocol not available.",
    EPROTONOSUPPORT "Protocol not supported.",
    EOPNOTSUPP "Operation not supported on transport endpoint.",
    EAFNOSUPPORT "Address family not supported by protocol.",
    EADDRINUSE "Address already in use.",
    EADDRNOTAVAIL "Cannot assign requested address.",
    ENOTCONN "Transport endpoint is not connected.",
    EHOSTUNREACH "No route to host.",
    EALREADY "Operation already in progress.",
}
