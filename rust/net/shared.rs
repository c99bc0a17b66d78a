// SPDX-License-Identifier: GPL-2.0

//! Reference-counted objects that may be looked up under RCU.
//!
//! [`RcuArc<T>`] is a strong reference, like the kernel's `Arc`. In contrast to that, readers may find the object without
//! holding a reference, as `&'a Shared<T>` borrowed from an RCU read-side critical section ([`RcuTable`](crate::rcu_table)),
//! and turn it into a strong one if it is not dying ([`Shared::try_get`]). So the object is dropped and freed when the last
//! strong reference is gone *and* a grace period has passed since.
//!
//! The drop of `T` runs in softirq context and must not sleep. The callback that does it is code of the module that drops the last
//! reference, so each that may has a [`CallbackBarrier`](crate::rcu::CallbackBarrier).

use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
    pin::Pin,
    ptr::NonNull,
    sync::atomic::{AtomicPtr, AtomicU32, Ordering},
};
use kernel::{alloc::Flags, prelude::*, types::Opaque};
use net_bindings as c;

/// Number of tables generations an object can be linked in at a time, see [`crate::rcu_table`].
pub(crate) const TABLE_LINKS: usize = 2;

/// The allocation behind [`RcuArc<T>`]: a `T` with its reference count and links.
#[pin_data]
pub struct Shared<T> {
    /// Links of the hash table, one for each of two generations of a table being resized. The first is `none()` until the object
    /// is put into a table.
    pub(crate) table_link: [AtomicPtr<Shared<T>>; TABLE_LINKS],
    /// Hash under which the object is in a table.
    pub(crate) hash: AtomicU32,
    #[pin]
    refcount: Opaque<c::refcount_t>,
    /// Link of a [`PendingList`]; `none()` while not in one.
    pending: AtomicPtr<Shared<T>>,
    #[pin]
    rcu: Opaque<c::callback_head>,
    #[pin]
    value: T,
}

// SAFETY: A `Shared<T>` hands out `&T` to all who hold or find it, and may be dropped on any CPU.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: As above; the header is only accessed atomically or under the table's writer lock.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// Takes a strong reference unless the object is already dying.
    #[inline]
    pub fn try_get(&self) -> Option<RcuArc<T>> {
        // SAFETY: The count is initialised, and `self` is alive (strong reference or grace period).
        if unsafe { c::refcount_inc_not_zero(self.refcount.get()) } {
            // INVARIANT: The count was increased for the new reference.
            Some(RcuArc {
                ptr: NonNull::from(self),
                _p: PhantomData,
            })
        } else {
            None
        }
    }

    /// Number of strong references. For reports: it may have changed when the caller looks at it.
    pub fn refcount(&self) -> u32 {
        // SAFETY: The count is initialised and `self` is alive.
        unsafe { c::refcount_read(self.refcount.get()) }
    }

    /// Takes the links for a table. Returns whether they were free: no table has ever had them.
    pub(crate) fn claim_links(&self) -> bool {
        let [first, _] = &self.table_link;
        first
            .compare_exchange(
                none(),
                core::ptr::null_mut(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// # Safety
    ///
    /// `head` is the `rcu` field of a `Shared<T>` whose last reference was dropped before the grace period that has ended.
    unsafe extern "C" fn free_rcu(head: *mut c::callback_head) {
        // SAFETY: By the safety requirements `head` lies in a `Shared<T>`.
        let this = unsafe { kernel::container_of!(Opaque::cast_from(head), Shared<T>, rcu) };
        // SAFETY: The object came out of a `KBox` in `RcuArc::new()`, and nobody can reach it any more: no strong reference
        // is left, and readers that could have found it have finished.
        drop(unsafe { KBox::from_raw(this.cast_mut()) });
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

/// A strong reference to a [`Shared<T>`].
///
/// # Invariants
///
/// `ptr` points to a live, pinned `Shared<T>` and this value owns one of its references.
pub struct RcuArc<T> {
    ptr: NonNull<Shared<T>>,
    _p: PhantomData<Shared<T>>,
}

// SAFETY: References may be used and dropped from any context if the object may.
unsafe impl<T: Send + Sync> Send for RcuArc<T> {}
// SAFETY: As above.
unsafe impl<T: Send + Sync> Sync for RcuArc<T> {}

// The reference can be moved, whatever it refers to.
impl<T> Unpin for RcuArc<T> {}

impl<T: Send + Sync + 'static> RcuArc<T> {
    /// Allocates an object with one reference. Sleeps according to `flags`.
    ///
    /// Wherever its last reference is dropped, the object is dropped later and on any CPU: hence the bounds.
    pub fn new<E>(value: impl PinInit<T, E>, flags: Flags) -> Result<Self>
    where
        Error: From<E>,
    {
        let boxed = KBox::try_pin_init::<Error>(
            try_pin_init!(Shared {
                table_link: [AtomicPtr::new(none()), AtomicPtr::new(core::ptr::null_mut())],
                hash: AtomicU32::new(0),
                refcount <- Opaque::ffi_init(|r| {
                    // SAFETY: `r` is valid for writes.
                    unsafe { c::refcount_set(r, 1) }
                }),
                pending: AtomicPtr::new(none()),
                rcu <- pin_init::init_zeroed(),
                value <- value,
            }? Error),
            flags,
        )?;
        // SAFETY: The object stays pinned: it is only ever accessed behind shared references until freed in place.
        let ptr = KBox::into_raw(unsafe { Pin::into_inner_unchecked(boxed) });
        Ok(Self {
            // SAFETY: A box is never null. INVARIANT: The initial count of one belongs to this reference.
            ptr: unsafe { NonNull::new_unchecked(ptr) },
            _p: PhantomData,
        })
    }
}

impl<T> RcuArc<T> {
    /// Whether both refer to the same object.
    #[inline]
    pub fn ptr_eq(&self, other: &Shared<T>) -> bool {
        core::ptr::eq(self.ptr.as_ptr(), other)
    }

    /// Turns the reference into a raw pointer that owns it.
    pub fn into_raw(self) -> *const Shared<T> {
        ManuallyDrop::new(self).ptr.as_ptr()
    }

    /// Takes back a reference that [`RcuArc::into_raw`] gave away.
    ///
    /// # Safety
    ///
    /// `ptr` must come from [`RcuArc::into_raw`], once for each call.
    pub unsafe fn from_raw(ptr: *const Shared<T>) -> Self {
        Self {
            // SAFETY: By the safety requirements the pointer came from a `NonNull`, and owns a reference.
            ptr: unsafe { NonNull::new_unchecked(ptr.cast_mut()) },
            _p: PhantomData,
        }
    }
}

impl<T> Deref for RcuArc<T> {
    type Target = Shared<T>;

    #[inline]
    fn deref(&self) -> &Shared<T> {
        // SAFETY: By the type invariant the object is alive as long as this reference.
        unsafe { self.ptr.as_ref() }
    }
}

impl<T> Clone for RcuArc<T> {
    fn clone(&self) -> Self {
        // SAFETY: The object is alive and has at least the count of `self`.
        unsafe { c::refcount_inc(self.refcount.get()) };
        // INVARIANT: Increased just above.
        Self {
            ptr: self.ptr,
            _p: PhantomData,
        }
    }
}

impl<T> Drop for RcuArc<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this reference owns one count.
        if unsafe { c::refcount_dec_and_test(self.refcount.get()) } {
            // Hurry: a lazy callback (CONFIG_RCU_LAZY) keeps the sockets, namespaces and modules that the object holds for seconds.
            // SAFETY: No reference is left, so nobody else queues the callback; it frees the object after a grace period.
            unsafe { c::call_rcu_hurry(self.rcu.get(), Some(Shared::<T>::free_rcu)) };
        }
    }
}

/// A link of an object that is in no list. Never dereferenced.
fn none<T>() -> *mut Shared<T> {
    core::ptr::without_provenance_mut(usize::MAX)
}

/// A lock-free list of objects that wait for something to be done to them, usually in a work item.
///
/// Objects are pushed from any context without allocating, each at most once at a time, and taken out all at once.
pub struct PendingList<T> {
    head: AtomicPtr<Shared<T>>,
    _p: PhantomData<RcuArc<T>>,
}

impl<T> PendingList<T> {
    /// An empty list.
    pub const fn new() -> Self {
        Self {
            head: AtomicPtr::new(core::ptr::null_mut()),
            _p: PhantomData,
        }
    }

    /// Adds `object` unless it already waits in a list. Returns whether it is the first since the last were taken out, so that
    /// somebody is to be told.
    pub fn push(&self, object: RcuArc<T>) -> bool {
        let this = object.ptr.as_ptr();
        // Claim the link first: only the winner may put the object into a list.
        if object
            .pending
            .compare_exchange(
                none(),
                core::ptr::null_mut(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .is_err()
        {
            return false;
        }
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            object.pending.store(head, Ordering::Relaxed);
            match self
                .head
                .compare_exchange_weak(head, this, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(now) => head = now,
            }
        }
        // The list owns the reference now.
        let _ = object.into_raw();
        head.is_null()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.head.load(Ordering::Acquire).is_null()
    }

    /// Takes all objects out, the last pushed first.
    pub fn take_all(&self) -> Pending<T> {
        Pending {
            next: self.head.swap(core::ptr::null_mut(), Ordering::Acquire),
            _p: PhantomData,
        }
    }
}

impl<T> Default for PendingList<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for PendingList<T> {
    fn drop(&mut self) {
        drop(self.take_all());
    }
}

/// Objects taken out of a [`PendingList`].
///
/// # Invariants
///
/// `next` heads a null-terminated chain of objects, of each of which this iterator owns a reference.
pub struct Pending<T> {
    next: *mut Shared<T>,
    _p: PhantomData<RcuArc<T>>,
}

impl<T> Iterator for Pending<T> {
    type Item = RcuArc<T>;

    fn next(&mut self) -> Option<RcuArc<T>> {
        if self.next.is_null() {
            return None;
        }
        // SAFETY: By the type invariant the chain owns a reference, which `into_raw()` gave it.
        let object = unsafe { RcuArc::from_raw(self.next) };
        // From here on the object may be pushed again.
        self.next = object.pending.swap(none(), Ordering::AcqRel);
        Some(object)
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
