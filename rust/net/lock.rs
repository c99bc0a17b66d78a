// SPDX-License-Identifier: GPL-2.0

//! A spinlock that disables bottom halves, for data that the packet path shares with process context.
//!
//! C header: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h)

use kernel::{
    ffi::c_char,
    sync::lock::{Backend, Guard, Lock},
};
use net_bindings as c;

/// A spinlock taken with `spin_lock_bh()`.
///
/// # Examples
///
/// ```ignore
/// #[pin_data]
/// struct Session { #[pin] reorder: SpinLockBh<Reorder> }
/// let session = pin_init!(Session { reorder <- net::new_spinlock_bh!(Reorder::new(), "Session::reorder") });
/// ```
pub type SpinLockBh<T> = Lock<T, SpinLockBhBackend>;

/// Holds the lock, with bottom halves disabled.
pub type SpinLockBhGuard<'a, T> = Guard<'a, T, SpinLockBhBackend>;

/// The [`Backend`] of [`SpinLockBh`].
pub struct SpinLockBhBackend;

// SAFETY: A spinlock serialises its owners; bottom halves of the owner's CPU are disabled meanwhile, so that they cannot spin
// for ever on it. `relock` is the default: the same method.
unsafe impl Backend for SpinLockBhBackend {
    type State = c::spinlock_t;
    type GuardState = ();

    unsafe fn init(
        ptr: *mut Self::State,
        name: *const c_char,
        key: *mut kernel::bindings::lock_class_key,
    ) {
        // SAFETY: `ptr` is valid for writes, `name` and `key` for reads for ever, by the caller's promise.
        unsafe { c::__spin_lock_init(ptr, name, key.cast()) }
    }

    #[inline]
    unsafe fn lock(ptr: *mut Self::State) -> Self::GuardState {
        // SAFETY: The lock is initialised, by the caller's promise.
        unsafe { c::spin_lock_bh(ptr) }
    }

    #[inline]
    unsafe fn try_lock(ptr: *mut Self::State) -> Option<Self::GuardState> {
        // SAFETY: The lock is initialised, by the caller's promise.
        (unsafe { c::spin_trylock_bh(ptr) } != 0).then_some(())
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, _guard_state: &Self::GuardState) {
        // SAFETY: The caller owns the lock.
        unsafe { c::spin_unlock_bh(ptr) }
    }

    #[inline]
    unsafe fn assert_is_held(ptr: *mut Self::State) {
        // SAFETY: The lock is initialised, by the caller's promise.
        unsafe { c::lockdep_assert_held(ptr) }
    }
}

/// Initialiser of a [`SpinLockBh`], with a lock class of its own.
#[macro_export]
macro_rules! new_spinlock_bh {
    ($inner:expr, $name:literal) => {
        $crate::lock::SpinLockBh::new(
            $inner,
            ::kernel::c_str!($name),
            ::kernel::static_lock_class!(),
        )
    };
}
