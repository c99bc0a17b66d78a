// SPDX-License-Identifier: GPL-2.0

//! Files in debugfs that list the records of the namespace of who opens them.
//!
//! The kernel's `debugfs` makes files of one value; these are the ones that it does not cover.
//!
//! C header: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h)
//!
//! # Examples
//!
//! ```ignore
//! let directory = debugfs::Dir::new(c"l2tp");
//! directory.create_file::<Tunnels>(c"tunnels", 0o600); // `Tunnels` implements `Records`
//! ```

use crate::{
    module::this_module,
    seq_file::{OpenFile, Operations, Records},
};
use core::{marker::PhantomData, ptr::null_mut};
use kernel::prelude::*;
use net_bindings as c;

/// A directory at the top of debugfs, removed with all that is in it on drop.
///
/// debugfs is for people to look at: if it is off, or there is no memory, there are no files, and nobody else need care.
///
/// # Invariants
///
/// `dentry` is what `debugfs_create_dir()` returned: a directory, or an error, which the functions of debugfs accept.
pub struct Dir {
    dentry: *mut c::dentry,
}

// SAFETY: The functions of debugfs may be called from any task, and lock what they need to.
unsafe impl Send for Dir {}
// SAFETY: As above.
unsafe impl Sync for Dir {}

impl Dir {
    /// Creates the directory.
    pub fn new(name: &CStr) -> Self {
        // SAFETY: The name is a C string.
        let dentry = unsafe { c::debugfs_create_dir(name.as_char_ptr(), null_mut()) };
        // INVARIANT: It is what the function returned.
        Self { dentry }
    }

    /// Creates a file in the directory. Who opens it sees the records of the network namespace that the opening task is in.
    pub fn create_file<R: Records>(&self, name: &CStr, mode: u16) {
        // SAFETY: The name is a C string, the directory valid or an error, and the operations live for ever; these do not use the
        // inode's data.
        unsafe {
            c::debugfs_create_file_full(
                name.as_char_ptr(),
                mode,
                self.dentry,
                null_mut(),
                core::ptr::null(),
                &Files::<R>::OPS,
            )
        };
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // SAFETY: By the type invariant. Waits for operations on the files, and there are none after it.
        unsafe { c::debugfs_remove(self.dentry) }
    }
}

/// The file operations for records `R`.
struct Files<R>(PhantomData<R>);

impl<R: Records> Files<R> {
    const OPS: c::file_operations = c::file_operations {
        owner: this_module::<R::OwnerModule>().as_ptr().cast(),
        open: Some(Self::open),
        read: Some(c::seq_read),
        llseek: Some(c::seq_lseek),
        release: Some(Self::release),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// Called to open `file`.
    unsafe extern "C" fn open(_inode: *mut c::inode, file: *mut c::file) -> c_int {
        // SAFETY: The file is being opened, the operations live for ever, and all bytes zero are an `OpenFile<R>`.
        let private = unsafe {
            c::__seq_open_private(
                file,
                &Operations::<R>::OPS,
                Operations::<R>::PRIVATE_SIZE as c_int,
            )
        }
        .cast::<OpenFile<R>>();
        if private.is_null() {
            return ENOMEM.to_errno();
        }
        // SAFETY: Allocated just above; a task that opens files is in a namespace, which it keeps alive.
        unsafe { c::seq_net_private_get(&raw mut (*private).net, c::current_net_ns()) };
        0
    }

    /// # Safety
    ///
    /// Called when the last user of `file` is gone, which `open` opened.
    unsafe extern "C" fn release(inode: *mut c::inode, file: *mut c::file) -> c_int {
        // SAFETY: `open` left a `seq_file` with an `OpenFile<R>` which holds a namespace; nobody uses them any more.
        unsafe {
            let m = (*file).private_data.cast::<c::seq_file>();
            c::seq_net_private_put(&raw mut (*(*m).private.cast::<OpenFile<R>>()).net);
            c::seq_release_private(inode, file)
        }
    }
}
