// SPDX-License-Identifier: GPL-2.0

//! A work queue of a module's own.
//!
//! The kernel crate has the work items and the system's queues; this adds a queue that can be waited for when the module goes.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use core::{ops::Deref, ptr::NonNull};
use kernel::{prelude::*, workqueue::Queue};
use net_bindings as c;

/// An unbound work queue. Dropping it waits for all its work, also for what that work queues.
///
/// # Invariants
///
/// The pointer is a work queue that this value owns.
pub struct OwnedQueue(NonNull<c::workqueue_struct>);

// SAFETY: Work queues are shared by all CPUs.
unsafe impl Send for OwnedQueue {}
// SAFETY: As above.
unsafe impl Sync for OwnedQueue {}

impl OwnedQueue {
    /// Creates a queue, named for the worker threads' descriptions.
    pub fn new_unbound(name: &CStr) -> Result<Self> {
        // SAFETY: Both strings are valid; the format takes one string.
        let queue =
            unsafe { c::alloc_workqueue_noprof(c"%s".as_char_ptr(), c::wq_flags_WQ_UNBOUND, 0, name.as_char_ptr()) };
        // INVARIANT: Created here.
        Ok(Self(NonNull::new(queue).ok_or(ENOMEM)?))
    }

    /// Waits for the work that is queued now.
    pub fn flush(&self) {
        // SAFETY: The queue is valid by the type invariant.
        unsafe { c::__flush_workqueue(self.0.as_ptr()) }
    }
}

impl Deref for OwnedQueue {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        // SAFETY: The queue is valid for as long as `self`.
        unsafe { Queue::from_raw(self.0.as_ptr().cast()) }
    }
}

impl Drop for OwnedQueue {
    fn drop(&mut self) {
        // SAFETY: The queue is ours, and nobody can use it after this.
        unsafe { c::destroy_workqueue(self.0.as_ptr()) }
    }
}
