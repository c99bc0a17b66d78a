// SPDX-License-Identifier: GPL-2.0

//! Limits how often something is printed.
//!
//! Like the kernel's `DEFINE_RATELIMIT_STATE()` with its usual values, but without a lock, and initialised at compile time.
//!
//! C header: [`include/linux/ratelimit.h`](srctree/include/linux/ratelimit.h)

use crate::time::{
    jiffies,
    msecs_to_jiffies, //
};
use core::sync::atomic::{
    AtomicU32,
    AtomicU64,
    Ordering, //
};

/// Length of an interval.
const INTERVAL_MS: u32 = 5000;
/// Messages in an interval.
const BURST: u32 = 10;

/// How many messages there were lately: a `static` for each place that prints.
///
/// # Examples
///
/// ```ignore
/// static LIMIT: RateLimit = RateLimit::new();
/// if LIMIT.allows() { pr_warn!("...\n"); }
/// ```
pub struct RateLimit {
    /// When the interval began; 0 if there was none.
    begin: AtomicU64,
    messages: AtomicU32,
}

impl RateLimit {
    /// No messages yet.
    pub const fn new() -> Self {
        Self {
            begin: AtomicU64::new(0),
            messages: AtomicU32::new(0),
        }
    }

    /// Whether another message may be printed now: ten in five seconds may.
    #[cold]
    pub fn allows(&self) -> bool {
        let now = jiffies();
        let begin = self.begin.load(Ordering::Relaxed);
        let expired = now.wrapping_sub(begin) >= msecs_to_jiffies(INTERVAL_MS);
        // Of several CPUs that find the interval over one begins the next.
        if (begin == 0 || expired)
            && self
                .begin
                .compare_exchange(begin, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.messages.store(0, Ordering::Relaxed);
        }
        // Wrapping around takes longer than an interval.
        self.messages.fetch_add(1, Ordering::Relaxed) < BURST
    }
}

impl Default for RateLimit {
    fn default() -> Self {
        Self::new()
    }
}
