// SPDX-License-Identifier: GPL-2.0

//! `RcuTable`: insertion, conflicts, growth, removal, and who owns what.

#[kernel::prelude::kunit_tests(l2tp_net_table)]
mod tests {
    use crate::references::{settle, Counted};
    use core::sync::atomic::{AtomicUsize, Ordering};
    use kernel::prelude::*;
    use net::{rcu, rcu_table::RcuTable, shared::RcuArc};

    fn table() -> Result<Pin<KBox<RcuTable<Counted>>>> {
        Ok(KBox::pin_init(RcuTable::new(), GFP_KERNEL)?)
    }

    fn has(table: &RcuTable<Counted>, hash: u32, number: u32) -> bool {
        let guard = rcu::read_lock();
        table
            .find(hash, guard.read_side(), |o| o.number == number)
            .is_some()
    }

    fn add(table: &RcuTable<Counted>, hash: u32, object: &RcuArc<Counted>) -> Result {
        table.insert(hash, object, |other| {
            if other.number == object.number {
                Err(EEXIST)
            } else {
                Ok(())
            }
        })
    }

    #[test]
    fn what_was_inserted_is_found() -> Result {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let table = table()?;
        assert!(table.is_empty());
        assert!(!has(&table, 1, 1));
        let one = Counted::new(1, &DROPS)?;
        assert!(!table.remove(&one));
        add(&table, 1, &one)?;
        assert!(has(&table, 1, 1));
        assert!(!has(&table, 1, 2));
        assert_eq!(one.refcount(), 2);
        assert!(table.remove(&one));
        assert!(!table.remove(&one));
        assert!(!has(&table, 1, 1));
        assert!(table.is_empty());
        assert_eq!(one.refcount(), 1);
        Ok(())
    }

    #[test]
    fn a_conflict_inserts_nothing() -> Result {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let table = table()?;
        let (one, same) = (Counted::new(1, &DROPS)?, Counted::new(1, &DROPS)?);
        add(&table, 1, &one)?;
        assert!(add(&table, 1, &same) == Err(EEXIST));
        assert_eq!(same.refcount(), 1);
        assert!(table.remove(&one));
        assert!(table.is_empty());
        add(&table, 1, &same)?;
        assert!(has(&table, 1, 1));
        Ok(())
    }

    #[test]
    fn an_object_is_put_into_a_table_once() -> Result {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        let (table, other) = (table()?, table()?);
        let (one, two) = (Counted::new(1, &DROPS)?, Counted::new(2, &DROPS)?);
        add(&table, 1, &one)?;
        assert!(other.insert(1, &one, |_| Ok(())) == Err(EBUSY));
        assert!(table.insert(1, &one, |_| Ok(())) == Err(EBUSY));
        assert!(!other.remove(&one));
        add(&table, 1, &two)?;
        assert!(has(&table, 1, 1) && has(&table, 1, 2));
        assert!(table.remove(&one));
        // Who found it before may be on it still, and go on from there.
        assert!(add(&table, 1, &one) == Err(EBUSY));
        assert!(!has(&table, 1, 1) && has(&table, 1, 2));
        assert_eq!(one.refcount(), 1);
        Ok(())
    }

    #[test]
    fn nothing_is_lost_when_it_grows() -> Result {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        const MANY: u32 = 300;
        let table = table()?;
        let mut all = KVec::new();
        // Half of them share their hash with another one.
        for number in 0..MANY {
            let object = Counted::new(number, &DROPS)?;
            add(&table, number / 2, &object)?;
            all.push(object, GFP_KERNEL)?;
            assert!((0..=number).all(|n| has(&table, n / 2, n)));
        }
        for object in all.iter().filter(|o| o.number % 3 == 0) {
            assert!(table.remove(object));
        }
        assert!((0..MANY).all(|n| has(&table, n / 2, n) == (n % 3 != 0)));
        for object in all.iter().filter(|o| o.number % 3 != 0) {
            assert!(table.remove(object));
        }
        assert!(table.is_empty());
        assert!(all.iter().all(|o| o.refcount() == 1));
        Ok(())
    }

    #[test]
    fn a_table_drops_what_is_in_it() -> Result {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        DROPS.store(0, Ordering::Relaxed);
        let table = table()?;
        for number in 0..40 {
            add(&table, number, &Counted::new(number, &DROPS)?)?;
        }
        settle();
        assert_eq!(DROPS.load(Ordering::Relaxed), 0);
        drop(table);
        settle();
        assert_eq!(DROPS.load(Ordering::Relaxed), 40);
        Ok(())
    }
}
