// SPDX-License-Identifier: GPL-2.0

//! `SkBuff` and `Queue`.

#[kernel::prelude::kunit_tests(l2tp_net_buffers)]
mod tests {
    use kernel::prelude::*;
    use net::skb::{Queue, Reason, SkBuff};

    /// A packet of one byte of data.
    fn packet(byte: u8) -> Result<SkBuff> {
        let mut skb = SkBuff::alloc(16, 0)?;
        skb.push(1).ok_or(EINVAL)?.fill(byte);
        Ok(skb)
    }

    #[test]
    fn push_and_pull_stay_inside() -> Result {
        let mut skb = SkBuff::alloc(8, 20)?;
        assert_eq!((skb.len(), skb.headroom()), (20, 8));
        assert!(skb.data().iter().all(|byte| *byte == 0));
        assert!(skb.push(9).is_none());
        skb.push(8).ok_or(EINVAL)?.fill(0xaa);
        assert_eq!((skb.len(), skb.headroom()), (28, 0));
        assert_eq!(skb.data().iter().filter(|byte| **byte == 0xaa).count(), 8);
        assert!(skb.push(1).is_none());
        assert!(!skb.pull(29));
        assert!(skb.pull(8));
        assert_eq!((skb.len(), skb.headroom()), (20, 8));
        assert!(skb.may_pull(20));
        assert!(!skb.may_pull(21));
        assert!(skb.pull(20));
        assert!(skb.is_empty());
        assert!(!skb.pull(1));
        skb.consume();
        Ok(())
    }

    #[test]
    fn more_room_keeps_the_data() -> Result {
        let mut skb = packet(5)?;
        skb.cow_head(500)?;
        assert!(skb.headroom() >= 500);
        assert_eq!(skb.data(), &[5u8][..]);
        skb.push(500).ok_or(EINVAL)?.fill(1);
        assert_eq!(skb.len(), 501);
        skb.discard(Reason::NotSpecified);
        Ok(())
    }

    #[test]
    fn a_queue_keeps_its_order() -> Result {
        let mut queue = Queue::<u32>::new();
        assert!(queue.is_empty());
        assert!(queue.pop_front().is_none());
        assert_eq!((queue.front(), queue.back()), (None, None));
        for number in [1u8, 2, 4] {
            queue.push_back(packet(number)?, number.into());
        }
        assert!(queue.insert_before(packet(3)?, 3, |other| *other > 3));
        assert!(queue.insert_before(packet(0)?, 0, |other| *other > 0));
        assert!(!queue.insert_before(packet(5)?, 5, |other| *other > 5));
        queue.push_back(packet(6)?, 6);
        assert_eq!(queue.len(), 7);
        assert_eq!((queue.front(), queue.back()), (Some(0), Some(6)));
        for number in 0..6u8 {
            let (skb, info) = queue.pop_front().ok_or(EINVAL)?;
            assert_eq!((skb.data(), info), (&[number][..], u32::from(number)));
        }
        assert_eq!(
            (queue.len(), queue.front(), queue.back()),
            (1, Some(6), Some(6))
        );
        // The last one goes with the queue.
        Ok(())
    }
}
