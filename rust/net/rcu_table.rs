// SPDX-License-Identifier: GPL-2.0

//! A resizable hash table of [`RcuArc`] objects with lock-free readers.
//!
//! Readers walk one bucket under RCU, without a lock, a reference count or a write to shared memory. Writers hold a mutex, so
//! they must be able to sleep. The table grows fourfold when it is full; every object has two links, so that the new generation is
//! built beside the old one while readers still walk that, and the old links are not used again before a grace period passed.
//!
//! # Examples
//!
//! ```ignore
//! table.insert(hash(session.id()), &session, |other| other.id() == session.id())?;
//! let found = table.find(hash(id), softirq.read_side(), |s| s.id() == id);
//! ```

use crate::{
    rcu::{synchronize_rcu, ReadSide},
    shared::{RcuArc, Shared, TABLE_LINKS},
};
use core::{
    ptr::null_mut,
    sync::atomic::{AtomicPtr, AtomicU32, Ordering},
};
use kernel::{
    alloc::flags::{GFP_KERNEL, __GFP_ZERO},
    prelude::*,
    static_lock_class,
    sync::Mutex,
};

/// Buckets of a new table; a power of two.
const MIN_BUCKETS: usize = 16;
/// Buckets a table grows to at most.
const MAX_BUCKETS: usize = 1 << 20;

/// What lockdep calls the writers' lock. A static, since it compares names by address, and code that uses the table in another crate
/// would have a copy of a constant.
static LOCK_NAME: &CStr = c"RcuTable::writer";

/// One generation: a bucket array and which link of the objects it uses.
struct Buckets<T> {
    heads: KVVec<AtomicPtr<Shared<T>>>,
    link: usize,
}

impl<T> Buckets<T> {
    fn new(len: usize, link: usize) -> Result<KBox<Self>> {
        let mut heads = KVVec::with_capacity(len, GFP_KERNEL | __GFP_ZERO)?;
        for _ in 0..len {
            heads.push_within_capacity(AtomicPtr::new(null_mut()))?;
        }
        Ok(KBox::new(Self { heads, link }, GFP_KERNEL)?)
    }

    #[inline]
    fn head(&self, hash: u32) -> Option<&AtomicPtr<Shared<T>>> {
        // The length is a power of two.
        self.heads
            .get(hash as usize & self.heads.len().wrapping_sub(1))
    }

    #[inline]
    fn next<'a>(&self, object: &'a Shared<T>) -> &'a AtomicPtr<Shared<T>> {
        // `link` is 0 or 1.
        &object.table_link[self.link & (TABLE_LINKS - 1)]
    }

    /// Puts `object` at the front of its bucket, where readers see it fully initialised.
    fn link(&self, object: &Shared<T>) {
        let hash = object.hash.load(Ordering::Relaxed);
        if let Some(head) = self.head(hash) {
            self.next(object)
                .store(head.load(Ordering::Relaxed), Ordering::Relaxed);
            head.store(core::ptr::from_ref(object).cast_mut(), Ordering::Release);
        }
    }
}

/// What writers know.
struct Writer {
    len: usize,
}

/// The table. See the [module documentation](self).
///
/// # Invariants
///
/// `current` is null or comes from `KBox::into_raw()`; what it points to, and every object linked in it, stays valid for a
/// grace period after it was replaced or unlinked. Each linked object's reference is owned by the table.
#[pin_data(PinnedDrop)]
pub struct RcuTable<T: Send + Sync> {
    current: AtomicPtr<Buckets<T>>,
    /// Objects in the table, for readers that skip an empty one.
    count: AtomicU32,
    #[pin]
    writer: Mutex<Writer>,
}

impl<T: Send + Sync> RcuTable<T> {
    /// Creates an empty table. Memory for buckets is allocated with the first insertion.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            current: AtomicPtr::new(null_mut()),
            count: AtomicU32::new(0),
            writer <- Mutex::new(Writer { len: 0 }, LOCK_NAME, static_lock_class!()),
        })
    }

    /// The first object in the bucket of `hash` that `matches`, borrowed from the read-side section.
    #[inline]
    pub fn find<'a>(
        &self,
        hash: u32,
        rcu: ReadSide<'a>,
        matches: impl Fn(&Shared<T>) -> bool,
    ) -> Option<&'a Shared<T>> {
        self.iter(hash, rcu).find(|object| matches(object))
    }

    /// All objects in the bucket of `hash`: those with that hash, and others.
    #[inline]
    pub fn iter<'a>(&self, hash: u32, _rcu: ReadSide<'a>) -> Bucket<'a, T> {
        // SAFETY: By the type invariant what `current` points to stays valid for the read-side section `'a`.
        let buckets = unsafe { self.current.load(Ordering::Acquire).as_ref::<'a>() };
        Bucket {
            buckets,
            next: buckets
                .and_then(|b| b.head(hash))
                .map_or(null_mut(), |head| head.load(Ordering::Acquire)),
        }
    }

    /// Inserts `object` under `hash` unless `conflict` holds for one that is there.
    ///
    /// `conflict` is called for the objects of the bucket with the writers' lock held, so check and insertion are one step.
    /// An object can be in one table, and put into it once: it has the links of one only, which readers may follow after it was
    /// removed. May sleep.
    ///
    /// # Errors
    ///
    /// What `conflict` returns, `EBUSY` if the object has been in a table, or `ENOMEM`.
    pub fn insert(
        &self,
        hash: u32,
        object: &RcuArc<T>,
        conflict: impl Fn(&Shared<T>) -> Result,
    ) -> Result {
        let mut writer = self.writer.lock();
        self.make_room(writer.len)?;
        // SAFETY: `current` only changes under the lock that we hold.
        let Some(buckets) = (unsafe { self.current.load(Ordering::Relaxed).as_ref() }) else {
            return Err(ENOMEM);
        };
        let rcu_guard = crate::rcu::read_lock();
        for other in self.iter(hash, rcu_guard.read_side()) {
            conflict(other)?;
        }
        drop(rcu_guard);
        if !object.claim_links() {
            return Err(EBUSY);
        }
        object.hash.store(hash, Ordering::Relaxed);
        buckets.link(object);
        // The table's own reference, taken back in `unlink()`.
        let _ = object.clone().into_raw();
        writer.len = writer.len.wrapping_add(1);
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Takes `object` out of the table. Returns whether it was in. May sleep.
    ///
    /// Readers that found it before may use it until the end of their read-side section.
    pub fn remove(&self, object: &RcuArc<T>) -> bool {
        let mut writer = self.writer.lock();
        // SAFETY: `current` only changes under the lock that we hold.
        let Some(buckets) = (unsafe { self.current.load(Ordering::Relaxed).as_ref() }) else {
            return false;
        };
        let hash = object.hash.load(Ordering::Relaxed);
        let Some(mut link) = buckets.head(hash) else {
            return false;
        };
        loop {
            let this = link.load(Ordering::Relaxed);
            // SAFETY: Linked objects are alive by the type invariant, and cannot be unlinked while we hold the lock.
            let Some(current) = (unsafe { this.as_ref() }) else {
                return false;
            };
            if object.ptr_eq(current) {
                link.store(
                    buckets.next(current).load(Ordering::Relaxed),
                    Ordering::Release,
                );
                writer.len = writer.len.wrapping_sub(1);
                self.count.fetch_sub(1, Ordering::Relaxed);
                // SAFETY: The table's reference, from `insert()`. The caller holds another one.
                drop(unsafe { RcuArc::from_raw(this) });
                return true;
            }
            link = buckets.next(current);
        }
    }

    /// Makes sure that one more object fits: creates the buckets, or four times as many when there are as many objects.
    fn make_room(&self, len: usize) -> Result {
        let old = self.current.load(Ordering::Relaxed);
        // SAFETY: `current` only changes under the writers' lock, which the caller holds.
        let new = match unsafe { old.as_ref() } {
            None => Buckets::new(MIN_BUCKETS, 0)?,
            Some(b) if len < b.heads.len() || b.heads.len() >= MAX_BUCKETS => return Ok(()),
            Some(b) => match Buckets::new(b.heads.len().saturating_mul(4), b.link ^ 1) {
                Ok(new) => new,
                // A full table is slower, not wrong.
                Err(_) => return Ok(()),
            },
        };
        // SAFETY: As above.
        if let Some(b) = unsafe { old.as_ref() } {
            for head in b.heads.iter() {
                let mut next = head.load(Ordering::Relaxed);
                // SAFETY: Linked objects are alive by the type invariant.
                while let Some(object) = unsafe { next.as_ref() } {
                    next = b.next(object).load(Ordering::Relaxed);
                    new.link(object);
                }
            }
        }
        self.current.store(KBox::into_raw(new), Ordering::Release);
        if !old.is_null() {
            // Readers may still walk the old buckets and links, which the next resize uses again.
            synchronize_rcu();
            // SAFETY: It came from `KBox::into_raw()`, is not `current` any more, and its readers have finished.
            drop(unsafe { KBox::from_raw(old) });
        }
        Ok(())
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }
}

#[pinned_drop]
impl<T: Send + Sync> PinnedDrop for RcuTable<T> {
    fn drop(self: Pin<&mut Self>) {
        let current = self.current.load(Ordering::Relaxed);
        if current.is_null() {
            return;
        }
        // SAFETY: By the type invariant from `KBox::into_raw()`; with the table nobody can start to read it any more, and
        // who owned the table let a grace period pass since the last reader could have found it.
        let buckets = unsafe { KBox::from_raw(current) };
        for head in buckets.heads.iter() {
            let mut next = head.load(Ordering::Relaxed);
            // SAFETY: Linked objects are alive: the table owns a reference.
            while let Some(object) = unsafe { next.as_ref() } {
                let this = next;
                next = buckets.next(object).load(Ordering::Relaxed);
                // SAFETY: The table's reference, from `insert()`.
                drop(unsafe { RcuArc::from_raw(this) });
            }
        }
    }
}

/// Iterator over a bucket, see [`RcuTable::iter`].
///
/// # Invariants
///
/// `next` is null or points to an object that stays valid for `'a`.
pub struct Bucket<'a, T> {
    buckets: Option<&'a Buckets<T>>,
    next: *mut Shared<T>,
}

impl<'a, T> Iterator for Bucket<'a, T> {
    type Item = &'a Shared<T>;

    #[inline]
    fn next(&mut self) -> Option<&'a Shared<T>> {
        // SAFETY: By the type invariant.
        let object = unsafe { self.next.as_ref::<'a>() }?;
        // INVARIANT: What a valid object links to was linked when the read-side section could begin, so it stays valid.
        self.next = self
            .buckets
            .map_or(null_mut(), |b| b.next(object).load(Ordering::Acquire));
        Some(object)
    }
}
