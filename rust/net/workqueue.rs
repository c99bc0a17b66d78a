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

    /// Makes the queue. Its work may sleep, need not run on any particular CPU, and runs beside other work of the queue. At most
    /// once at a time.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
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
        self.0.store(queue, Ordering::Release);
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
pub struct WorkQueueRegistration(&'static WorkQueue);

impl Drop for WorkQueueRegistration {
    fn drop(&mut self) {
        let queue = self.0 .0.swap(null_mut(), Ordering::AcqRel);
        rcu::synchronize_rcu();
        // SAFETY: The queue was ours, and nobody can find it any more.
        unsafe { c::destroy_workqueue(queue) };
    }
}
