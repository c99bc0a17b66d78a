// SPDX-License-Identifier: GPL-2.0

//! Raw bindings to the kernel's networking: generated at build time for the kernel that is built against.
//!
//! Nobody but crate `net` may use this crate. What it contains is decided by `bindgen_parameters` (types, functions and
//! constants of the kernel's headers) and by `../helpers/` (wrappers of inline functions and macros).

#![allow(
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    non_snake_case,
    improper_ctypes,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    dead_code,
    unused_imports,
    unknown_lints,
    unnecessary_transmutes,
    rustdoc::all,
    clippy::all,
    clippy::as_underscore,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::ptr_cast_constness,
    clippy::undocumented_unsafe_blocks
)]

mod raw {
    use kernel::ffi;
    use pin_init::{MaybeZeroable, Zeroable};

    // Blocked in `bindgen_parameters`: bindgen would make them C integers.
    type __kernel_size_t = usize;
    type __kernel_ssize_t = isize;
    type __kernel_ptrdiff_t = isize;

    // Blocked as well: bindgen gets its size wrong where locks are large. Nobody looks inside.
    #[repr(C, align(8))]
    #[derive(Copy, Clone, MaybeZeroable)]
    pub struct socket_lock_t([u8; SOCKET_LOCK_SIZE]);

    // SAFETY: `__BindgenBitfieldUnit<Storage>` is a newtype of `Storage`.
    unsafe impl<Storage> Zeroable for __BindgenBitfieldUnit<Storage> where Storage: Zeroable {}

    include!(concat!(env!("NET_BINDINGS_DIR"), "/bindings_generated.rs"));
}

mod helpers {
    use super::raw::*;
    use kernel::ffi;
    include!(concat!(env!("NET_BINDINGS_DIR"), "/helpers_generated.rs"));
}

pub use helpers::*;
pub use raw::*;
