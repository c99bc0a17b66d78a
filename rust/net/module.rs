// SPDX-License-Identifier: GPL-2.0

//! Module references and loading modules on demand.

use core::ptr::NonNull;
use kernel::{prelude::*, ThisModule};
use net_bindings as c;

/// Keeps a module loaded.
///
/// # Invariants
///
/// Owns one reference of the module, or the code is built in and there is nothing to own.
pub struct ModuleRef(Option<NonNull<c::module>>);

// SAFETY: References may be given back anywhere.
unsafe impl Send for ModuleRef {}
// SAFETY: There is nothing to do with a shared one.
unsafe impl Sync for ModuleRef {}

impl ModuleRef {
    /// Takes a reference; `None` if the module is going away.
    pub fn try_get(module: &'static ThisModule) -> Option<Self> {
        let ptr: *mut c::module = module.as_ptr().cast();
        // SAFETY: A `ThisModule` is valid, or null for code that is built in. INVARIANT: Taken here.
        unsafe { c::try_module_get(ptr) }.then(|| Self(NonNull::new(ptr)))
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        if let Some(module) = self.0 {
            // SAFETY: The reference is ours by the type invariant.
            unsafe { c::module_put(module.as_ptr()) }
        }
    }
}

/// Asks user space to load the module with this name or alias, and waits for it.
///
/// No lock that module initialisation needs may be held. Whether what was wanted is there now must be looked at again.
pub fn request_module(name: &CStr) -> Result {
    // SAFETY: The name is a string; sleeping is allowed in process context.
    kernel::error::to_result(unsafe { c::request_module(name.as_char_ptr()) })
}
