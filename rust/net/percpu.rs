// SPDX-License-Identifier: GPL-2.0

//! Per-CPU data.
//!
//! Each CPU writes its own copy with plain instructions. [`Counters`] are summed by their reader; a [`Section`] is what a CPU is in.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)

use crate::rcu::Softirq;
use core::{cell::UnsafeCell, ffi::c_void, marker::PhantomData};
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

/// A section of code that a CPU must not enter again from within: a `static` made by [`percpu_section!`](crate::percpu_section).
///
/// # Invariants
///
/// The value is in the per-CPU section: its address is not that of any copy.
pub struct Section {
    inside: UnsafeCell<bool>,
}

// SAFETY: Each CPU accesses its own copy, with bottom halves disabled.
unsafe impl Sync for Section {}

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
            inside: UnsafeCell::new(false),
        }
    }

    /// Enters the section on this CPU, unless it is in there already. The section is left when the result is dropped.
    #[inline]
    pub fn enter<'a>(&self, _softirq: Softirq<'a>) -> Option<Inside<'a>> {
        // SAFETY: By the type invariant this is the address of per-CPU data.
        let inside: *mut bool = unsafe { c::this_cpu_ptr(self.inside.get().cast()) }.cast();
        // SAFETY: This CPU's copy, which nobody else accesses; bottom halves stay disabled.
        if unsafe { core::ptr::replace(inside, true) } {
            return None;
        }
        // INVARIANT: Just entered.
        Some(Inside {
            inside,
            _softirq: PhantomData,
        })
    }
}

/// Being in a [`Section`].
///
/// # Invariants
///
/// `inside` points to this CPU's copy, which says so; the CPU does not change during `'a`.
pub struct Inside<'a> {
    inside: *mut bool,
    _softirq: PhantomData<Softirq<'a>>,
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { *self.inside = false }
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
