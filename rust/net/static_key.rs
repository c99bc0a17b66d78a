// SPDX-License-Identifier: GPL-2.0

//! Branches that cost a no-op until they are wanted.
//!
//! C header: [`include/linux/jump_label.h`](srctree/include/linux/jump_label.h)

use kernel::bindings;
use net_bindings as c;

/// What [`declare_static_key!`](crate::declare_static_key) declares.
#[doc(hidden)]
#[repr(C)]
pub struct StaticKey {
    pub key: bindings::static_key_false,
}

/// Enables a key. May sleep.
///
/// # Safety
///
/// `key` must be a static key that is only accessed through the kernel's functions.
#[doc(hidden)]
pub unsafe fn enable(key: *mut bindings::static_key) {
    // SAFETY: By the safety requirements.
    unsafe { c::static_key_enable(key.cast()) }
}

impl StaticKey {
    #[doc(hidden)]
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self {
            // All zeroes is `STATIC_KEY_FALSE_INIT`.
            key: pin_init::zeroed(),
        }
    }
}

/// Declares a module with a static key: `is_enabled()` is a no-op in the code that calls it, which the kernel patches into a jump
/// when `enable()` is called for the first time. There is no way back.
///
/// # Examples
///
/// ```ignore
/// net::declare_static_key! {
///     /// Whether anybody wants messages.
///     mod messages;
/// }
/// messages::enable(); // may sleep
/// if messages::is_enabled() { ... }
/// ```
#[macro_export]
macro_rules! declare_static_key {
    ($(#[$attr:meta])* $vis:vis mod $name:ident;) => {
        $(#[$attr])*
        $vis mod $name {
            static mut KEY: $crate::static_key::StaticKey = $crate::static_key::StaticKey::new();

            /// Whether the key has been enabled.
            #[inline(always)]
            pub fn is_enabled() -> bool {
                // SAFETY: A real static key, which is only accessed through this and by the kernel.
                unsafe {
                    ::kernel::jump_label::static_branch_unlikely!(
                        KEY,
                        $crate::static_key::StaticKey,
                        key
                    )
                }
            }

            /// Enables the key. May sleep.
            pub fn enable() {
                if !is_enabled() {
                    // SAFETY: As above. The kernel serialises changes.
                    unsafe { $crate::static_key::enable(&raw mut KEY.key.key) }
                }
            }
        }
    };
}
