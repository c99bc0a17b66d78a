// SPDX-License-Identifier: GPL-2.0

//! The genl lock, under which the handlers of all families run, and data that it protects.

use core::cell::UnsafeCell;
use kernel::types::NotThreadSafe;
use net_bindings as c;

/// Proof that the genl lock is held, and the right to drop it for a while.
///
/// There is never more than one: it comes with the lock, see [`lock`], and with a [`Request`].
pub struct Held {
    _not_send: NotThreadSafe,
}

impl Held {
    /// # Safety
    ///
    /// The caller must hold the genl lock for the lifetime of the result, of which there must be no other.
    pub(super) unsafe fn assume() -> Self {
        Self {
            _not_send: NotThreadSafe,
        }
    }

    /// Runs `f` without the lock, then takes it again. Whatever the lock protects may have changed.
    ///
    /// Loading a module whose init takes the lock is what this is for.
    pub fn unlocked<R>(&mut self, f: impl FnOnce() -> R) -> R {
        // SAFETY: By the type's meaning the lock is held by this task. Nothing that it protects is borrowed, as that would
        // borrow `self`.
        unsafe { c::genl_unlock() };
        let result = f();
        // SAFETY: This task released the lock above, and does not hold it: `f` cannot have left a guard behind except in
        // `result`, in which case this deadlocks as taking any mutex twice does.
        unsafe { c::genl_lock() };
        result
    }
}

/// Holds the genl lock until dropped.
pub struct LockGuard {
    held: Held,
}

/// Takes the lock under which the handlers of all families run. May sleep. Not for handlers: they hold it.
pub fn lock() -> LockGuard {
    // SAFETY: Taking a mutex has no requirements that concern memory safety.
    unsafe { c::genl_lock() };
    LockGuard {
        // SAFETY: Taken just above, and the proof is dropped with the guard. Who else held it has released it, and its proof.
        held: unsafe { Held::assume() },
    }
}

impl LockGuard {
    /// The proof.
    pub fn held(&mut self) -> &mut Held {
        &mut self.held
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        // SAFETY: The guard took it, in this task: the proof makes it not `Send`.
        unsafe { c::genl_unlock() };
    }
}

/// Data that may only be accessed under the genl lock.
pub struct Protected<T> {
    data: UnsafeCell<T>,
}

// SAFETY: The data is accessed by one task at a time, the one that holds the lock.
unsafe impl<T: Send> Sync for Protected<T> {}

impl<T> Protected<T> {
    /// Protects `data`.
    pub const fn new(data: T) -> Self {
        Self {
            data: UnsafeCell::new(data),
        }
    }

    /// The data, to be read.
    pub fn get<'a>(&'a self, _held: &'a Held) -> &'a T {
        // SAFETY: The only proof there is is borrowed for `'a`, so that nobody gets a mutable reference.
        unsafe { &*self.data.get() }
    }

    /// The data, to be changed.
    pub fn get_mut<'a>(&'a self, _held: &'a mut Held) -> &'a mut T {
        // SAFETY: The only proof there is is borrowed mutably for `'a`, so that nobody else gets a reference.
        unsafe { &mut *self.data.get() }
    }
}
