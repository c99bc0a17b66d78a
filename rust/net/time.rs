// SPDX-License-Identifier: GPL-2.0

//! Jiffies.
//!
//! C header: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h)

use kernel::prelude::*;
use net_bindings as c;

/// Timer ticks since boot.
#[inline]
pub fn jiffies() -> u64 {
    // SAFETY: `jiffies` is always there; the timer interrupt writes it, so each read is a new one.
    unsafe { (&raw const c::jiffies).read_volatile() as u64 }
}

/// Converts milliseconds to ticks, rounded up.
pub fn msecs_to_jiffies(msecs: u32) -> u64 {
    kernel::time::msecs_to_jiffies(msecs) as u64
}

/// Converts ticks to milliseconds.
pub fn jiffies_to_msecs(ticks: u64) -> u32 {
    // SAFETY: A plain function of its argument.
    unsafe { c::jiffies_to_msecs(ticks as c_ulong) }
}
