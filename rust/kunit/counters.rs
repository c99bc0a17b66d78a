// SPDX-License-Identifier: GPL-2.0

//! Per-CPU counters, and time.

#[kernel::prelude::kunit_tests(l2tp_net_counters)]
mod tests {
    use kernel::prelude::*;
    use net::{percpu::Counters, time};

    #[test]
    fn counters_add_up() -> Result {
        let counters = Counters::<3>::new()?;
        assert_eq!(counters.sum(), [0, 0, 0]);
        for _ in 0..100 {
            counters.add([(0, 1), (2, 1000)]);
            // Out of range: ignored.
            counters.add([(3, 7)]);
        }
        assert_eq!(counters.sum(), [100, 0, 100_000]);
        Ok(())
    }

    #[test]
    fn jiffies_and_milliseconds() {
        assert_eq!(time::jiffies_to_msecs(time::msecs_to_jiffies(1000)), 1000);
        assert_eq!(time::msecs_to_jiffies(0), 0);
        assert!(time::msecs_to_jiffies(1) >= 1);
        let before = time::jiffies();
        assert!(time::jiffies() >= before);
    }
}
