// SPDX-License-Identifier: GPL-2.0

//! Files in `/proc/net` that list the [`Records`] of a network namespace.
//!
//! C headers: [`include/linux/proc_fs.h`](srctree/include/linux/proc_fs.h),
//! [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)
//!
//! # Examples
//!
//! ```ignore
//! static FILE: procfs::NetFile<Tunnels> = procfs::NetFile::new(c"pppol2tp", 0o444);
//! // `Tunnels` implements `Records`, and `NetRecords`, whose `file()` returns `&FILE`.
//! let registration = FILE.register()?;
//! ```

use crate::seq_file::{
    Operations,
    Records, //
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ptr::null_mut, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};
use net_bindings as c;

/// A file that exists in `/proc/net` of every namespace while it is registered.
pub struct NetFile<R: Records> {
    ops: UnsafeCell<c::pernet_operations>,
    name: &'static CStr,
    mode: u16,
    _p: PhantomData<fn() -> R>,
}

// SAFETY: `ops` is only written by module initialisation and by the kernel, which serialises registering and
// unregistering; the rest is constant.
unsafe impl<R: Records> Sync for NetFile<R> {}

impl<R: Records> NetFile<R> {
    /// A file with these permissions, not registered.
    pub const fn new(name: &'static CStr, mode: u16) -> Self {
        Self {
            ops: UnsafeCell::new(pin_init::zeroed()),
            name,
            mode,
            _p: PhantomData,
        }
    }
}

/// Finds the [`NetFile`] of records `R`, of which there is one.
///
/// The hooks of `pernet_operations` are only told the namespace.
pub trait NetRecords: Records {
    /// The file.
    fn file() -> &'static NetFile<Self>
    where
        Self: Sized;
}

impl<R: NetRecords> NetFile<R> {
    /// Makes the file appear in all namespaces, and in each that will be.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EBUSY` if it is registered.
    pub fn register(&'static self) -> Result<NetFileRegistration<R>> {
        // SAFETY: Module initialisation, of which there is one at a time, is the only caller; nobody uses the operations before
        // they are registered.
        unsafe {
            let ops = &mut *self.ops.get();
            if ops.init.is_some() {
                return Err(EBUSY);
            }
            ops.init = Some(Self::init);
            ops.exit = Some(Self::exit);
        }
        // SAFETY: The operations live as long as the module and are not moved.
        let err = to_result(unsafe { c::register_pernet_device(self.ops.get()) });
        if err.is_err() {
            // SAFETY: Not registered: ours alone again.
            unsafe { (*self.ops.get()).init = None };
        }
        // INVARIANT: Registered just above.
        err.map(|()| NetFileRegistration { file: self })
    }

    /// # Safety
    ///
    /// Called by the kernel for a namespace that comes into being.
    unsafe extern "C" fn init(net: *mut c::net) -> c_int {
        let file = R::file();
        // SAFETY: The namespace is valid; the name is a C string and is copied; the operations live for ever, and their private
        // data begins with a `seq_net_private` and may be all zeroes.
        let entry = unsafe {
            c::proc_create_net_data(
                file.name.as_char_ptr(),
                file.mode,
                (*net).proc_net,
                &Operations::<R>::OPS,
                Operations::<R>::PRIVATE_SIZE as c_uint,
                null_mut(),
            )
        };
        if entry.is_null() {
            return ENOMEM.to_errno();
        }
        0
    }

    /// # Safety
    ///
    /// Called by the kernel for a namespace that was initialised, before it is gone.
    unsafe extern "C" fn exit(net: *mut c::net) {
        // SAFETY: The namespace is valid, and `init` made the entry. Waits for readers, and closes what is open.
        unsafe { c::remove_proc_entry(R::file().name.as_char_ptr(), (*net).proc_net) }
    }
}

/// A registered [`NetFile`]; dropping it removes the file from all namespaces.
///
/// # Invariants
///
/// The file's operations are registered.
pub struct NetFileRegistration<R: NetRecords> {
    file: &'static NetFile<R>,
}

impl<R: NetRecords> Drop for NetFileRegistration<R> {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariant.
        unsafe {
            c::unregister_pernet_device(self.file.ops.get());
            (*self.file.ops.get()).init = None;
        }
    }
}
