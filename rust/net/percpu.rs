// SPDX-License-Identifier: GPL-2.0

//! Per-CPU counters.
//!
//! Each CPU adds to its own copy with plain instructions; a reader sums all copies.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)

use crate::rcu::Softirq;
use core::{ffi::c_void, marker::PhantomData};
use kernel::prelude::*;
use net_bindings as c;

/// `N` 64-bit counters for each CPU.
///
/// # Invariants
///
/// `ptr` is a per-CPU allocation of `[u64; N]`, zeroed at creation, only ever accessed with single-word accesses.
pub struct Counters<const N: usize> {
    ptr: *mut c_void,
    _p: PhantomData<[u64; N]>,
}

// SAFETY: Per-CPU memory may be used and freed from any CPU.
unsafe impl<const N: usize> Send for Counters<N> {}
// SAFETY: All accesses are single-word and volatile: writers only touch their own CPU's copy, readers may see any past value.
unsafe impl<const N: usize> Sync for Counters<N> {}

impl<const N: usize> Counters<N> {
    /// Allocates the counters, all zero. May sleep.
    pub fn new() -> Result<Self> {
        // SAFETY: No requirements; the result is checked.
        let ptr =
            unsafe { c::alloc_percpu(size_of::<[u64; N]>(), align_of::<u64>(), c::GFP_KERNEL) };
        if ptr.is_null() {
            return Err(ENOMEM);
        }
        // INVARIANT: Just allocated; per-CPU allocations are zeroed.
        Ok(Self {
            ptr,
            _p: PhantomData,
        })
    }

    /// Adds to several counters of this CPU: pairs of index and value. Indices out of range are ignored.
    #[inline(always)]
    pub fn add<const M: usize>(&self, _softirq: Softirq<'_>, values: [(usize, u64); M]) {
        // SAFETY: `ptr` is a per-CPU allocation, and we cannot migrate with bottom halves disabled.
        let mine = unsafe { c::this_cpu_ptr(self.ptr) }.cast::<u64>();
        for (index, value) in values {
            if index < N {
                // SAFETY: In bounds of this CPU's copy, which only we write: bottom halves are disabled, and no counter is
                // written from hard interrupts.
                unsafe {
                    let counter = mine.add(index);
                    counter.write_volatile(counter.read_volatile().wrapping_add(value));
                }
            }
        }
    }

    /// The sum over all CPUs.
    pub fn sum(&self) -> [u64; N] {
        let mut sum = [0u64; N];
        // SAFETY: No requirements.
        let mut cpu = unsafe { c::cpumask_next_possible(-1) };
        while cpu < kernel::cpu::nr_cpu_ids() {
            // SAFETY: `cpu` is a possible CPU.
            let copy = unsafe { c::per_cpu_ptr(self.ptr, cpu) }.cast::<u64>();
            for (index, total) in sum.iter_mut().enumerate() {
                // SAFETY: In bounds; a racing writer makes us read the value before or after.
                *total = total.wrapping_add(unsafe { copy.add(index).read_volatile() });
            }
            // SAFETY: No requirements. CAST: CPU numbers are small.
            cpu = unsafe { c::cpumask_next_possible(cpu as c_int) };
        }
        sum
    }
}

impl<const N: usize> Drop for Counters<N> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant our allocation, which nobody uses any more.
        unsafe { c::free_percpu(self.ptr) }
    }
}
