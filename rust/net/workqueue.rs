// SPDX-License-Identifier: GPL-2.0

//! A work queue of a module's own, which ends with the module: the kernel crate only knows the system's.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use crate::rcu;
use core::{
    ptr::null_mut,
    sync::atomic::{AtomicPtr, Ordering},
};
use kernel::{
    prelude::*,
    workqueue::{Queue, RawWorkItem},
};
use net_bindings as c;

/// A work queue, usually a static. There is one while it is [created](WorkQueue::create).
pub struct WorkQueue(AtomicPtr<c::workqueue_struct>);

impl WorkQueue {
    /// None yet.
    pub const fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    /// Makes the queue. Its work may sleep, need not run on any particular CPU, and runs beside other work of the queue.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or `EBUSY` if there is one already.
    pub fn create(&'static self, name: &CStr) -> Result<WorkQueueRegistration> {
        // SAFETY: The format takes a string.
        let queue = unsafe {
            c::alloc_workqueue_noprof(
                c"%s".as_char_ptr(),
                c::wq_flags_WQ_UNBOUND,
                0,
                name.as_char_ptr(),
            )
        };
        if queue.is_null() {
            return Err(ENOMEM);
        }
        if self
            .0
            .compare_exchange(null_mut(), queue, Ordering::AcqRel, Ordering::Relaxed)
            .is_err()
        {
            // SAFETY: Just made, and nobody else knows it.
            unsafe { c::destroy_workqueue(queue) };
            return Err(EBUSY);
        }
        // INVARIANT: Just put there, where there was none.
        Ok(WorkQueueRegistration(self))
    }

    /// Queues a work item, and tells what [`Queue::enqueue`] says; `None` if there is no queue. Does not sleep.
    pub fn enqueue<W, const ID: u64>(&self, work: W) -> Option<W::EnqueueOutput>
    where
        W: RawWorkItem<ID> + Send + 'static,
    {
        let _rcu = rcu::read_lock();
        let queue = self.0.load(Ordering::Acquire);
        // SAFETY: Who destroys a queue waits for readers after it was taken out.
        (!queue.is_null()).then(|| unsafe { Queue::from_raw(queue.cast()) }.enqueue(work))
    }
}

impl Default for WorkQueue {
    fn default() -> Self {
        Self::new()
    }
}

/// Keeps a [`WorkQueue`]; when dropped, waits for all its work and ends it.
///
/// # Invariants
///
/// There is a queue, which nobody else ends.
pub struct WorkQueueRegistration(&'static WorkQueue);

impl Drop for WorkQueueRegistration {
    fn drop(&mut self) {
        let queue = self.0 .0.swap(null_mut(), Ordering::AcqRel);
        rcu::synchronize_rcu();
        // SAFETY: By the type invariant there was a queue, which is ours to end; nobody can find it any more.
        unsafe { c::destroy_workqueue(queue) };
    }
}
