// SPDX-License-Identifier: GPL-2.0

//! RTNL, the mutex of network configuration.

use kernel::types::NotThreadSafe;
use net_bindings as c;

/// Holds RTNL; dropping it releases the mutex and finishes what was begun under it, such as the end of unregistered devices.
///
/// RTNL is not recursive: taking it twice is a deadlock.
///
/// # Invariants
///
/// The current task holds RTNL.
pub struct Rtnl(NotThreadSafe);

impl Rtnl {
    /// Takes RTNL. Sleeps.
    pub fn lock() -> Self {
        // SAFETY: Process context, as for all functions that sleep.
        unsafe { c::rtnl_lock() };
        // INVARIANT: Taken just above.
        Self(NotThreadSafe)
    }
}

impl Drop for Rtnl {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the current task holds it.
        unsafe { c::rtnl_unlock() }
    }
}
