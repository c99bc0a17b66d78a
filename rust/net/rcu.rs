// SPDX-License-Identifier: GPL-2.0

//! Proofs of context: RCU read-side critical sections and disabled bottom halves.
//!
//! What may be done with an object found under RCU, or with per-CPU data, depends on the context of the caller. Here the
//! context is a value: [`ReadSide`] proves an RCU read-side critical section, [`Softirq`] proves that bottom halves are
//! disabled. Both are zero-sized and `Copy`; a reference obtained with one cannot outlive it.
//!
//! C headers: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h),
//! [`include/linux/bottom_half.h`](srctree/include/linux/bottom_half.h)
//!
//! # Examples
//!
//! ```ignore
//! let guard = net::rcu::read_lock();
//! let session = table.find(guard.read_side(), key)?; // borrowed from `guard`
//! ```

use core::marker::PhantomData;
use kernel::types::NotThreadSafe;
use net_bindings as c;

/// Proof that an RCU read-side critical section lasts for `'a`.
///
/// # Invariants
///
/// The current context is in an RCU read-side critical section (of the consolidated flavour) that ends after `'a`.
#[derive(Clone, Copy)]
pub struct ReadSide<'a>(PhantomData<&'a ()>, NotThreadSafe);

impl ReadSide<'_> {
    /// Asserts that the caller is in an RCU read-side critical section.
    ///
    /// # Safety
    ///
    /// An RCU read-side critical section must enclose the lifetime that the caller picks.
    #[inline]
    pub unsafe fn assume() -> Self {
        // INVARIANT: By the safety requirements of this function.
        Self(PhantomData, NotThreadSafe)
    }
}

/// Proof that bottom halves are disabled on this CPU for `'a`, which implies an RCU read-side critical section, and that the CPU
/// stays the same.
///
/// It does not prove that nothing else runs on the CPU: netpoll transmits from hard interrupts, too, and with `CONFIG_PREEMPT_RT` a
/// task with bottom halves disabled may be preempted by another one.
///
/// # Invariants
///
/// Bottom halves are disabled (or a softirq is being served, or hard interrupts are disabled) on the current CPU until after `'a`.
#[derive(Clone, Copy)]
pub struct Softirq<'a>(PhantomData<&'a ()>, NotThreadSafe);

impl<'a> Softirq<'a> {
    /// Asserts that bottom halves are disabled, as they are in the callbacks of the packet path.
    ///
    /// # Safety
    ///
    /// Bottom halves must be disabled for the whole lifetime that the caller picks.
    #[inline]
    pub unsafe fn assume() -> Self {
        // INVARIANT: By the safety requirements of this function.
        Self(PhantomData, NotThreadSafe)
    }

    /// The RCU read-side critical section that disabled bottom halves are.
    #[inline]
    pub fn read_side(self) -> ReadSide<'a> {
        // SAFETY: With the consolidated RCU flavours a region with bottom halves or interrupts disabled is a read-side
        // critical section, and it lasts for `'a` by the type invariant.
        unsafe { ReadSide::assume() }
    }
}

/// An RCU read-side critical section, ended on drop.
///
/// # Invariants
///
/// `rcu_read_lock()` was called and not yet undone.
pub struct ReadGuard(NotThreadSafe);

impl ReadGuard {
    /// The proof of this critical section.
    #[inline]
    pub fn read_side(&self) -> ReadSide<'_> {
        // SAFETY: By the type invariant the section lasts until `self` is dropped, after the borrow.
        unsafe { ReadSide::assume() }
    }
}

impl Drop for ReadGuard {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant this undoes our own `rcu_read_lock()`.
        unsafe { c::rcu_read_unlock() }
    }
}

/// Enters an RCU read-side critical section. The caller must not sleep in it.
#[inline]
pub fn read_lock() -> ReadGuard {
    // SAFETY: `rcu_read_lock()` may be called in any context.
    unsafe { c::rcu_read_lock() };
    // INVARIANT: Called just above.
    ReadGuard(NotThreadSafe)
}

/// A section with bottom halves disabled, ended on drop.
///
/// # Invariants
///
/// `local_bh_disable()` was called and not yet undone.
pub struct BhGuard(NotThreadSafe);

impl BhGuard {
    /// The proof of this section.
    #[inline]
    pub fn softirq(&self) -> Softirq<'_> {
        // SAFETY: By the type invariant bottom halves stay disabled until `self` is dropped, after the borrow.
        unsafe { Softirq::assume() }
    }
}

impl Drop for BhGuard {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant this undoes our own `local_bh_disable()`.
        unsafe { c::local_bh_enable() }
    }
}

/// Disables bottom halves on this CPU. The caller must not sleep until the guard is dropped.
#[inline]
pub fn bh_disable() -> BhGuard {
    // SAFETY: `local_bh_disable()` may be called in any context but hard interrupts, in which only netpoll's transmissions run, and
    // these have a `Softirq` already.
    unsafe { c::local_bh_disable() };
    // INVARIANT: Called just above.
    BhGuard(NotThreadSafe)
}

/// Waits until all packet-path readers that run now are done. Sleeps; quicker while RTNL is held.
#[inline]
pub fn synchronize_net() {
    // SAFETY: May be called from process context, which sleeping functions are for.
    unsafe { c::synchronize_net() }
}

/// Waits until all RCU read-side critical sections that exist now have ended. Sleeps.
#[inline]
pub fn synchronize_rcu() {
    // SAFETY: As in `synchronize_net()`. The kernel crate has it only since 7.3.
    unsafe { c::synchronize_rcu() };
}

/// Waits, when dropped, for RCU callbacks that run code of the module: the last field of the module's state.
///
/// Every module needs one that may drop the last reference of an object of [`crate::shared`]: the callback that frees it is generic
/// code, of which the module has a copy of its own. (The build checks that what queues callbacks calls `rcu_barrier()`, too.)
///
/// `LEVELS` is how many callbacks can follow one another, each queued by the one before.
pub struct CallbackBarrier<const LEVELS: usize>;

impl<const LEVELS: usize> Drop for CallbackBarrier<LEVELS> {
    fn drop(&mut self) {
        // Readers first: what they hold when they end may queue a callback.
        synchronize_net();
        for _ in 0..LEVELS {
            // SAFETY: May be called from process context. The kernel crate has it only since 7.3.
            unsafe { c::rcu_barrier() };
        }
    }
}
