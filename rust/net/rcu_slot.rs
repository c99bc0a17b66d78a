// SPDX-License-Identifier: GPL-2.0

//! A place for one reference-counted object that readers find under RCU.

use crate::{
    rcu::{
        self,
        ReadSide, //
    },
    shared::{
        RcuArc,
        Shared, //
    },
};
use core::{
    marker::PhantomData,
    ptr::null_mut,
    sync::atomic::{
        AtomicPtr,
        Ordering, //
    },
};

/// A place for an [`RcuArc<T>`], or nothing.
///
/// # Invariants
///
/// `ptr` is null, or the slot owns a reference of the object.
///
/// # Examples
///
/// ```ignore
/// let slot = RcuSlot::new();
/// slot.replace(Some(session));
/// let guard = rcu::read_lock();
/// let session = slot.get(guard.read_side()); // borrowed from `guard`, nothing is counted
/// ```
pub struct RcuSlot<T> {
    ptr: AtomicPtr<Shared<T>>,
    _p: PhantomData<RcuArc<T>>,
}

impl<T> RcuSlot<T> {
    /// An empty slot.
    pub const fn new() -> Self {
        // INVARIANT: Null.
        Self {
            ptr: AtomicPtr::new(null_mut()),
            _p: PhantomData,
        }
    }

    /// The object, if there is one now.
    #[inline]
    pub fn get<'a>(&self, _read: ReadSide<'a>) -> Option<&'a Shared<T>> {
        let ptr = self.ptr.load(Ordering::Acquire);
        // SAFETY: By the type invariant the object was referenced when it was found, and an object is only freed when a grace
        // period has passed after its last reference is gone: not before `'a` ends.
        unsafe { ptr.as_ref() }
    }

    /// A reference to the object, if there is one now.
    pub fn get_ref(&self) -> Option<RcuArc<T>> {
        let guard = rcu::read_lock();
        self.get(guard.read_side()).and_then(Shared::try_get)
    }

    /// Puts another object, or none, into the slot, and returns the one that was there.
    pub fn replace(&self, object: Option<RcuArc<T>>) -> Option<RcuArc<T>> {
        let new = object.map_or(null_mut(), |object| object.into_raw().cast_mut());
        // Fully ordered: who replaces something looks at other variables too.
        let old = self.ptr.swap(new, Ordering::SeqCst);
        // SAFETY: By the type invariant the slot owned a reference, which `into_raw()` gave it. INVARIANT: Now it owns that of
        // the new object.
        (!old.is_null()).then(|| unsafe { RcuArc::from_raw(old) })
    }
}

impl<T> Default for RcuSlot<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for RcuSlot<T> {
    fn drop(&mut self) {
        drop(self.replace(None));
    }
}
