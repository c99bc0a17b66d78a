// SPDX-License-Identifier: GPL-2.0

//! What the kernel crate's work queues lack: the unbound queue by its present name, and waiting for a work item.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use kernel::workqueue::{Queue, Work, WorkItem};
use net_bindings as c;

/// The system's queue for work that need not run on any particular CPU, and may sleep.
pub fn unbound() -> &'static Queue {
    // SAFETY: `system_dfl_wq` is made at boot and never freed.
    unsafe { Queue::from_raw(c::system_dfl_wq.cast()) }
}

/// Waits until `work` is neither queued nor running. May sleep; not to be called from that work.
pub fn flush<T, const ID: u64>(work: &Work<T, ID>)
where
    T: WorkItem<ID> + ?Sized,
{
    // SAFETY: A `Work` holds an initialised `work_struct`, alive as long as the borrow.
    unsafe { c::flush_work(Work::raw_get(work).cast()) };
}
