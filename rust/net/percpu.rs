// SPDX-License-Identifier: GPL-2.0

//! Per-CPU data.
//!
//! Each CPU writes its own copy, which takes no locked instruction. [`Counters`] are summed by their reader; a [`Section`] is what
//! a CPU is in.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)

use crate::rcu::Softirq;
use core::{
    ffi::c_void,
    marker::PhantomData,
    sync::atomic::{AtomicBool, Ordering},
};
use kernel::prelude::*;
use net_bindings as c;

/// `N` 64-bit counters for each CPU.
///
/// # Invariants
///
/// `ptr` is a per-CPU allocation of `[u64; N]`, zeroed at creation, only ever written by `this_cpu_add()` and read in single words.
pub struct Counters<const N: usize> {
    ptr: *mut c_void,
    _p: PhantomData<[u64; N]>,
}

// SAFETY: Per-CPU memory may be used and freed from any CPU.
unsafe impl<const N: usize> Send for Counters<N> {}
// SAFETY: Writers only touch their own CPU's copy, and cannot be interrupted in it; readers may see any past value of each word.
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
    ///
    /// May be called in any context: each addition is one step for its CPU (one instruction on x86), which neither an interrupt nor
    /// another task comes into.
    #[inline(always)]
    pub fn add<const M: usize>(&self, values: [(usize, u64); M]) {
        let first = self.ptr.cast::<u64>();
        for (index, value) in values {
            if index < N {
                // SAFETY: In bounds of the per-CPU allocation, of which this finds the copy of the CPU that it runs on.
                unsafe { c::this_cpu_add(first.wrapping_add(index), value) }
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

/// A section of code that a CPU should not enter again from within: a `static` made by [`percpu_section!`](crate::percpu_section).
///
/// It is no lock. With `CONFIG_PREEMPT_RT` another task may run on the CPU meanwhile: it may find the section entered, or, rarely,
/// enter it as well. Who uses it must be right in both cases.
///
/// # Invariants
///
/// The value is in the per-CPU section: its address is not that of any copy.
pub struct Section {
    inside: AtomicBool,
}

impl Section {
    /// The initial value of each copy.
    ///
    /// # Safety
    ///
    /// Only for a static in the per-CPU section.
    #[doc(hidden)]
    pub const unsafe fn new() -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            inside: AtomicBool::new(false),
        }
    }

    /// Enters the section on this CPU, unless it is in there already. The section is left when the result is dropped.
    #[inline]
    pub fn enter<'a>(&'static self, _softirq: Softirq<'a>) -> Option<Inside<'a>> {
        // SAFETY: By the type invariant this is the address of per-CPU data, of which no copy goes away while the module runs.
        let inside: &'a AtomicBool =
            unsafe { &*c::this_cpu_ptr(self.inside.as_ptr().cast()).cast() };
        if inside.load(Ordering::Relaxed) {
            return None;
        }
        inside.store(true, Ordering::Relaxed);
        Some(Inside {
            inside,
            _softirq: PhantomData,
        })
    }
}

/// Being in a [`Section`], on the CPU that entered it: the CPU does not change during `'a`.
pub struct Inside<'a> {
    inside: &'a AtomicBool,
    _softirq: PhantomData<Softirq<'a>>,
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        self.inside.store(false, Ordering::Relaxed);
    }
}

/// Declares a [`Section`].
#[macro_export]
macro_rules! percpu_section {
    ($(#[$attr:meta])* static $name:ident;) => {
        $(#[$attr])*
        #[cfg_attr(CONFIG_SMP, link_section = ".data..percpu")]
        // SAFETY: It is in the per-CPU section, which exists on SMP only.
        static $name: $crate::percpu::Section = unsafe { $crate::percpu::Section::new() };
    };
}
