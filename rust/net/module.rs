// SPDX-License-Identifier: GPL-2.0

//! What a module is to the kernel: its description, references to it, and loading others on demand.

use core::ptr::NonNull;
use kernel::{prelude::*, ThisModule};
use net_bindings as c;

/// A module made by [`module!`](crate::module!): what refers to it as `THIS_MODULE` in C.
///
/// `ModuleMetadata` and `this_module()` of the kernel say the same, but only since 7.3.
pub trait OwnerModule {
    /// The module, or null for code that is built in.
    const THIS_MODULE: ThisModule;
}

/// The module of the given type, also in statics.
#[inline]
pub const fn this_module<M: OwnerModule>() -> &'static ThisModule {
    &M::THIS_MODULE
}

/// The kernel's `module!`, whose type also is an [`OwnerModule`].
#[macro_export]
macro_rules! module {
    (type: $type:ident, $($description:tt)*) => {
        ::kernel::prelude::module! {
            type: $type,
            $($description)*
        }

        impl $crate::module::OwnerModule for $type {
            #[cfg(MODULE)]
            const THIS_MODULE: ::kernel::ThisModule = {
                extern "C" {
                    static __this_module: ::kernel::types::Opaque<::kernel::bindings::module>;
                }
                // SAFETY: The linker puts the `struct module` of this module here.
                unsafe { ::kernel::ThisModule::from_ptr(__this_module.get()) }
            };

            #[cfg(not(MODULE))]
            // SAFETY: `THIS_MODULE` is null in code that is built in.
            const THIS_MODULE: ::kernel::ThisModule = unsafe { ::kernel::ThisModule::from_ptr(::core::ptr::null_mut()) };
        }
    };
}

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
