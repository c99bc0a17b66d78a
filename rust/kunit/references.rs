// SPDX-License-Identifier: GPL-2.0

//! Objects under RCU: `RcuArc`, `RcuSlot`, `PendingList`.

use core::sync::atomic::{AtomicUsize, Ordering};
use kernel::prelude::*;
use net::shared::RcuArc;

/// An object that tells when it is dropped.
pub(crate) struct Counted {
    pub(crate) number: u32,
    drops: &'static AtomicUsize,
}

impl Counted {
    pub(crate) fn new(number: u32, drops: &'static AtomicUsize) -> Result<RcuArc<Self>> {
        RcuArc::new::<core::convert::Infallible>(Self { number, drops }, GFP_KERNEL)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

/// All callbacks that have been queued are done.
pub(crate) fn settle() {
    kernel::sync::rcu::rcu_barrier();
}

#[kernel::prelude::kunit_tests(l2tp_net_references)]
mod tests {
    use super::{settle, Counted};
    use core::sync::atomic::{AtomicUsize, Ordering};
    use kernel::prelude::*;
    use net::{
        rcu,
        rcu_slot::RcuSlot,
        shared::{PendingList, Shared},
    };

    #[test]
    fn dropped_once_with_the_last_reference() -> Result {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        DROPS.store(0, Ordering::Relaxed);
        let one = Counted::new(1, &DROPS)?;
        let two = one.clone();
        assert_eq!(one.refcount(), 2);
        drop(one);
        settle();
        assert_eq!(DROPS.load(Ordering::Relaxed), 0);
        assert_eq!(two.number, 1);
        drop(two);
        settle();
        assert_eq!(DROPS.load(Ordering::Relaxed), 1);
        Ok(())
    }

    #[test]
    fn a_reader_keeps_what_it_found() -> Result {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        DROPS.store(0, Ordering::Relaxed);
        let slot = RcuSlot::new();
        drop(slot.replace(Some(Counted::new(7, &DROPS)?)));
        {
            let guard = rcu::read_lock();
            let found = slot.get(guard.read_side());
            assert_eq!(found.map(|o| o.number), Some(7));
            drop(slot.replace(None));
            // Dying, but not before this section ends.
            assert!(found.and_then(Shared::try_get).is_none());
            assert_eq!(found.map(|o| o.number), Some(7));
            assert_eq!(DROPS.load(Ordering::Relaxed), 0);
            assert!(slot.get(guard.read_side()).is_none());
        }
        settle();
        assert_eq!(DROPS.load(Ordering::Relaxed), 1);
        Ok(())
    }

    #[test]
    fn a_slot_gives_back_what_was_in_it() -> Result {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        DROPS.store(0, Ordering::Relaxed);
        let slot = RcuSlot::new();
        assert!(slot.get_ref().is_none());
        assert!(slot.replace(Some(Counted::new(1, &DROPS)?)).is_none());
        let first = slot.replace(Some(Counted::new(2, &DROPS)?));
        assert_eq!(first.as_ref().map(|o| o.number), Some(1));
        assert_eq!(slot.get_ref().map(|o| o.number), Some(2));
        drop(slot);
        settle();
        assert_eq!(DROPS.load(Ordering::Relaxed), 1);
        drop(first);
        settle();
        assert_eq!(DROPS.load(Ordering::Relaxed), 2);
        Ok(())
    }

    #[test]
    fn pending_once_last_first_and_again() -> Result {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        DROPS.store(0, Ordering::Relaxed);
        let list = PendingList::new();
        let (one, two) = (Counted::new(1, &DROPS)?, Counted::new(2, &DROPS)?);
        assert!(list.is_empty());
        assert!(list.push(one.clone()));
        assert!(!list.push(two.clone()));
        assert!(!list.push(one.clone()));
        assert_eq!(one.refcount(), 2);
        assert!(!list.is_empty());
        let mut taken = list.take_all();
        assert!(list.is_empty());
        assert_eq!(taken.next().map(|o| o.number), Some(2));
        assert!(list.push(two.clone()));
        assert_eq!(taken.next().map(|o| o.number), Some(1));
        assert!(taken.next().is_none());
        drop((one, two));
        settle();
        assert_eq!(DROPS.load(Ordering::Relaxed), 1);
        drop(list);
        settle();
        assert_eq!(DROPS.load(Ordering::Relaxed), 2);
        Ok(())
    }
}
