// SPDX-License-Identifier: GPL-2.0

//! The receiver, rule by rule, on streams short enough to follow by hand.

use model::{Bench, Event, Event::*, Model, Order};
use wire::{reorder, Receiver, Width};

const WIDTHS: [Width; 2] = [Width::Bits16, Width::Bits24];

/// No reorder timeout.
const OFF: u64 = 0;
/// A reorder timeout, in ticks.
const TIMEOUT: u64 = 100;

/// Feeds frames that all arrive at once, and returns what happened.
fn feed(bench: &mut Bench, timeout: u64, frames: &[(usize, Option<u32>)]) -> Vec<Event> {
    feed_at(bench, 0, timeout, frames)
}

fn feed_at(
    bench: &mut Bench,
    now: u64,
    timeout: u64,
    frames: &[(usize, Option<u32>)],
) -> Vec<Event> {
    for &(id, ns) in frames {
        bench.receive(id, ns, now, timeout);
    }
    bench.take_events()
}

/// Frames that are known by their numbers.
fn numbered(numbers: impl IntoIterator<Item = u32>) -> Vec<(usize, Option<u32>)> {
    numbers
        .into_iter()
        .map(|ns| (ns as usize, Some(ns)))
        .collect()
}

fn delivered(events: &[Event]) -> Vec<usize> {
    events
        .iter()
        .filter_map(|event| match event {
            Delivered(id) => Some(*id),
            _ => None,
        })
        .collect()
}

fn established(width: Width, nr: u32) -> Bench {
    Bench::with(Receiver::expecting(width, nr))
}

/// 100, 101, then 105 to 110 without reordering: five are lost, the sixth is the new beginning.
#[test]
fn resynchronises_on_the_sixth() {
    for width in WIDTHS {
        let mut bench = Bench::new(width);
        let events = feed(&mut bench, OFF, &numbered([100, 101]));
        assert_eq!(events, [Resynchronised, Delivered(100), Delivered(101)]);
        assert_eq!(bench.nr(), 102);

        let events = feed(&mut bench, OFF, &numbered(105..=109));
        assert_eq!(events, [105, 106, 107, 108, 109].map(OutOfSequence));
        assert_eq!(bench.nr(), 102);

        let events = feed(&mut bench, OFF, &numbered([110, 111]));
        assert_eq!(events, [Resynchronised, Delivered(110), Delivered(111)]);
        assert_eq!(bench.nr(), 112);
    }
}

/// The six must follow each other; what arrives in sequence meanwhile does not disturb them.
#[test]
fn resynchronisation_needs_successors() {
    let mut bench = established(Width::Bits16, 10);
    // 22 breaks the row that began with 20, so that it takes until 27.
    let events = feed(&mut bench, OFF, &numbered([20, 21, 23, 22, 23, 24, 25, 26]));
    assert_eq!(events, [20, 21, 23, 22, 23, 24, 25, 26].map(OutOfSequence));
    let events = feed(&mut bench, OFF, &numbered([10, 11, 27]));
    assert_eq!(
        events,
        [Delivered(10), Delivered(11), Resynchronised, Delivered(27)]
    );
}

/// After a resynchronisation the count is not reset: a row that goes on needs no new six.
#[test]
fn count_survives_resynchronisation() {
    let mut bench = established(Width::Bits16, 10);
    let _ = feed(&mut bench, OFF, &numbered(20..=25));
    assert_eq!(bench.nr(), 26);
    // Unrelated number: starts from nothing.
    assert_eq!(feed(&mut bench, OFF, &numbered([30])), [OutOfSequence(30)]);
    let events = feed(&mut bench, OFF, &numbered(31..=35));
    assert_eq!(
        events,
        [
            OutOfSequence(31),
            OutOfSequence(32),
            OutOfSequence(33),
            OutOfSequence(34),
            Resynchronised,
            Delivered(35)
        ]
    );
}

#[test]
fn resynchronises_across_the_wrap() {
    for width in WIDTHS {
        let mask = width.mask();
        let mut bench = established(width, mask - 9);
        let numbers = [mask - 2, mask - 1, mask, 0, 1];
        let events = feed(&mut bench, OFF, &numbered(numbers));
        assert_eq!(events, numbers.map(|ns| OutOfSequence(ns as usize)));
        assert_eq!(
            feed(&mut bench, OFF, &numbered([2])),
            [Resynchronised, Delivered(2)]
        );
        assert_eq!(bench.nr(), 3);
    }
}

/// The first number may be anything within the window from zero, whatever the mode.
#[test]
fn first_number() {
    for width in WIDTHS {
        for timeout in [OFF, TIMEOUT] {
            let last = width.window() - 1;
            for ns in [0, 1, 1000, last] {
                let mut bench = Bench::new(width);
                let events = feed(&mut bench, timeout, &[(0, Some(ns))]);
                assert_eq!(events, [Resynchronised, Delivered(0)]);
                assert_eq!(bench.nr(), ns + 1);
            }
            for ns in [last + 1, last + 2, width.mask()] {
                let mut bench = Bench::new(width);
                let events = feed(&mut bench, timeout, &[(0, Some(ns)), (1, Some(ns))]);
                assert_eq!(events, [OutsideWindow(0), OutsideWindow(1)]);
                assert_eq!(bench.nr(), 0);
            }
        }
    }
}

/// The two values seen on the wire: 0x7fffff is refused as a first number, 0x7ffffe is taken.
#[test]
fn first_number_24_bits() {
    let mut bench = Bench::new(Width::Bits24);
    let events = feed(
        &mut bench,
        OFF,
        &[(1, Some(0x7f_ffff)), (2, Some(0x7f_fffe))],
    );
    assert_eq!(events, [OutsideWindow(1), Resynchronised, Delivered(2)]);
}

#[test]
fn window_moves_with_nr() {
    for width in WIDTHS {
        for nr in [0, 5, width.window(), width.mask() - 3, width.mask()] {
            let at = |distance: u32| Some(nr.wrapping_add(distance) & width.mask());
            let mut bench = established(width, nr);
            let events = feed(
                &mut bench,
                TIMEOUT,
                &[
                    (1, at(width.window() - 1)),
                    (2, at(width.window())),
                    (3, at(width.window() + 1)),
                    (4, at(width.mask())),
                ],
            );
            assert_eq!(events, [2, 3, 4].map(OutsideWindow));
            assert_eq!(bench.waiting(), [1]);
        }
    }
}

#[test]
fn early_frames_wait_for_their_turn() {
    let mut bench = established(Width::Bits24, 10);
    let events = feed(&mut bench, TIMEOUT, &numbered([12, 13, 11]));
    assert_eq!(events, [OutOfOrder(11)]);
    assert_eq!(bench.waiting(), [11, 12, 13]);
    let events = feed(&mut bench, TIMEOUT, &numbered([10, 14]));
    assert_eq!(
        events,
        [OutOfOrder(10)]
            .into_iter()
            .chain((10..=14).map(Delivered))
            .collect::<Vec<_>>()
    );
}

#[test]
fn early_frames_wait_across_the_wrap() {
    for width in WIDTHS {
        let mask = width.mask();
        let numbers = [mask, 0, 2, 1, mask - 1];
        let mut bench = established(width, mask - 1);
        let events = feed(&mut bench, TIMEOUT, &numbered(numbers));
        assert_eq!(
            delivered(&events),
            [mask - 1, mask, 0, 1, 2].map(|ns| ns as usize)
        );
        assert!(bench.waiting().is_empty());

        // What plain comparison does there: 0 sorts before the last numbers, and everything stalls.
        let mut plain = Model::expecting(mask, mask - 1, Order::Plain, usize::MAX);
        for (id, ns) in numbered(numbers) {
            plain.receive(id, ns, 0, TIMEOUT);
        }
        assert_ne!(delivered(&plain.take_events()), delivered(&events));
    }
}

/// A frame without number queues behind those that wait, and passes an empty queue.
#[test]
fn unsequenced_frames() {
    let mut bench = established(Width::Bits16, 10);
    assert_eq!(feed(&mut bench, TIMEOUT, &[(1, None)]), [Delivered(1)]);
    assert_eq!(bench.nr(), 10);

    let events = feed(
        &mut bench,
        TIMEOUT,
        &[(2, Some(11)), (3, None), (4, Some(12))],
    );
    assert_eq!(events, []);
    assert_eq!(bench.waiting(), [2, 3, 4]);
    // Goes before 12, but not before what has no number.
    assert_eq!(feed(&mut bench, TIMEOUT, &[(5, Some(11))]), [OutOfOrder(5)]);
    assert_eq!(bench.waiting(), [2, 3, 5, 4]);

    let events = feed(&mut bench, TIMEOUT, &[(6, Some(10))]);
    // The second 11 is stale now and holds up 12.
    assert_eq!(
        events,
        [OutOfOrder(6), Delivered(6), Delivered(2), Delivered(3)]
    );
    assert_eq!(bench.waiting(), [5, 4]);
}

/// A frame without number does not use up the right to take the first number as the beginning.
#[test]
fn unsequenced_frame_first() {
    let mut bench = Bench::new(Width::Bits16);
    let events = feed(&mut bench, OFF, &[(1, None), (2, Some(77))]);
    assert_eq!(events, [Delivered(1), Resynchronised, Delivered(2)]);
}

#[test]
fn duplicates() {
    let mut bench = established(Width::Bits16, 10);
    // Already handed up: behind the window.
    let events = feed(&mut bench, TIMEOUT, &numbered([10, 10]));
    assert_eq!(events, [Delivered(10), OutsideWindow(10)]);
    // Not handed up yet: both wait, and the second blocks the queue until it expires.
    let events = feed(
        &mut bench,
        TIMEOUT,
        &[(1, Some(12)), (2, Some(12)), (3, Some(13)), (4, Some(11))],
    );
    assert_eq!(events, [OutOfOrder(4), Delivered(4), Delivered(1)]);
    assert_eq!(bench.waiting(), [2, 3]);
    assert_eq!(bench.nr(), 13);

    let events = feed_at(&mut bench, TIMEOUT, TIMEOUT, &[(5, Some(14))]);
    assert_eq!(events, []);
    let events = feed_at(&mut bench, TIMEOUT + 1, TIMEOUT, &[(6, Some(15))]);
    // 3 is as old as 2; the rest go on from 14.
    assert_eq!(
        events,
        [
            Expired(2),
            Expired(3),
            Resynchronised,
            Delivered(5),
            Delivered(6)
        ]
    );
}

/// Time is only looked at when a frame arrives, and only a later time than the deadline is too late.
#[test]
fn expiry() {
    for epoch in [0, u64::MAX - TIMEOUT, u64::MAX - 1, u64::MAX / 2] {
        let mut bench = established(Width::Bits16, 10).since(epoch);
        let _ = feed_at(&mut bench, 0, TIMEOUT, &[(1, Some(12))]);
        let _ = feed_at(&mut bench, 50, TIMEOUT, &[(2, Some(13))]);
        assert_eq!(feed_at(&mut bench, TIMEOUT, TIMEOUT, &[(3, Some(15))]), []);
        let events = feed_at(&mut bench, TIMEOUT + 1, TIMEOUT, &[(4, None)]);
        // 14 is missing as well.
        assert_eq!(events, [Expired(1), Resynchronised, Delivered(2)]);
        assert_eq!(bench.waiting(), [3, 4]);
        assert_eq!(bench.nr(), 14);
    }
}

/// If everything expired, the next number is a new beginning, expected or not.
#[test]
fn beginning_after_expiry() {
    for timeout in [OFF, TIMEOUT] {
        for ns in [10, 14] {
            let mut bench = established(Width::Bits16, 10);
            let _ = feed_at(&mut bench, 0, TIMEOUT, &[(1, Some(12))]);
            assert_eq!(
                feed_at(&mut bench, 1000, TIMEOUT, &[(2, None)]),
                [Expired(1), Delivered(2)]
            );
            let events = feed_at(&mut bench, 1000, timeout, &[(3, Some(ns))]);
            assert_eq!(events, [Resynchronised, Delivered(3)]);
            assert_eq!(bench.nr(), ns + 1);
        }
    }
}

/// What arrives in order is handed up without ever seeing the queue.
#[test]
fn in_order_frames_never_enter_the_queue() {
    for width in WIDTHS {
        for timeout in [OFF, TIMEOUT] {
            let mut bench = Bench::new(width);
            let start = width.window() - 1;
            for id in 0..200_000_u32 {
                let ns = start.wrapping_add(id) & width.mask();
                bench.receive(2 * id as usize, Some(ns), 0, timeout);
                bench.receive(2 * id as usize + 1, None, 0, timeout);
            }
            assert_eq!(bench.touched(), 0);
            assert_eq!(delivered(&bench.take_events()).len(), 400_000);
        }
    }
}

/// The usual case, one frame missing and many behind it, costs no search of the queue for each of them.
#[test]
fn frames_behind_a_gap_are_appended() {
    let mut bench = established(Width::Bits16, 10);
    let _ = feed(&mut bench, TIMEOUT, &numbered(11..1000));
    // The first, which finds the queue empty.
    assert_eq!(bench.walked(), 1);
    let _ = feed(&mut bench, TIMEOUT, &numbered([10]));
    assert!(bench.waiting().is_empty());

    // A queue that was filled without regard to numbers must be searched, until it has been empty.
    let _ = feed(&mut bench, TIMEOUT, &numbered([1001]));
    let _ = feed(&mut bench, OFF, &numbered([1000]));
    let before = bench.walked();
    let _ = feed(&mut bench, TIMEOUT, &numbered(1002..1010));
    assert_eq!(bench.walked(), before + 8);
    let events = feed(&mut bench, TIMEOUT, &[(0, Some(1000))]);
    assert_eq!(delivered(&events), [0, 1001]);
    let _ = feed_at(&mut bench, 2000, TIMEOUT, &[(0, None), (1, Some(2000))]);
    assert!(bench.waiting().is_empty());

    let before = bench.walked();
    let _ = feed_at(&mut bench, 2000, TIMEOUT, &numbered(2002..2100));
    assert_eq!(bench.walked(), before + 1);
}

/// Reordering switched off while frames wait: the expected frame joins the end, as it always did.
#[test]
fn mode_switched_while_frames_wait() {
    let mut bench = established(Width::Bits16, 10);
    let _ = feed(&mut bench, TIMEOUT, &[(1, Some(12))]);
    assert_eq!(feed(&mut bench, OFF, &[(2, Some(10))]), []);
    assert_eq!(bench.waiting(), [1, 2]);
    // Back on: 11 goes before 12, where 10 does not get out of the way.
    assert_eq!(feed(&mut bench, TIMEOUT, &[(3, Some(11))]), [OutOfOrder(3)]);
    assert_eq!(bench.waiting(), [3, 1, 2]);
}

/// A gap, then a flood: memory stays bounded, and the missing frame still gets through.
#[test]
fn full_queue() {
    let cap = reorder::MAX_QUEUE;
    for width in WIDTHS {
        let nr = width.mask() - 100;
        let at = |distance: usize| Some((nr + distance as u32) & width.mask());
        let mut bench = established(width, nr);
        for id in 1..=cap {
            assert_eq!(feed(&mut bench, TIMEOUT, &[(id, at(id))]), []);
        }
        let events = feed(&mut bench, TIMEOUT, &[(cap + 1, at(cap + 1)), (0, None)]);
        assert_eq!(events, [QueueFull(cap + 1), QueueFull(0)]);
        let events = feed(&mut bench, OFF, &[(0, at(0))]);
        assert_eq!(events, [QueueFull(0)]);
        assert_eq!(bench.waiting().len(), cap);

        let events = feed(&mut bench, TIMEOUT, &[(0, at(0))]);
        assert_eq!(events[0], OutOfOrder(0));
        assert_eq!(delivered(&events), (0..=cap).collect::<Vec<_>>());
        assert!(bench.waiting().is_empty());
        let events = feed(&mut bench, TIMEOUT, &[(cap + 1, at(cap + 1))]);
        assert_eq!(events, [Delivered(cap + 1)]);
    }
}

/// A queue that is full of frames whose time is over is emptied by the next arrival, even a refused one.
#[test]
fn full_queue_expires() {
    let cap = reorder::MAX_QUEUE;
    let mut bench = established(Width::Bits24, 0);
    let frames: Vec<_> = (1..=cap).map(|id| (id, Some(id as u32))).collect();
    let _ = feed_at(&mut bench, 0, TIMEOUT, &frames[..10]);
    let _ = feed_at(&mut bench, 5, TIMEOUT, &frames[10..]);
    let events = feed_at(&mut bench, TIMEOUT + 1, TIMEOUT, &[(0, None)]);
    let expected: Vec<_> = [QueueFull(0)]
        .into_iter()
        .chain((1..=10).map(Expired))
        .chain([Resynchronised])
        .chain((11..=cap).map(Delivered))
        .collect();
    assert_eq!(events, expected);
}

/// A stale duplicate at the head of a full queue does not let more of its kind in.
#[test]
fn full_queue_with_stale_head() {
    let cap = reorder::MAX_QUEUE;
    let mut bench = established(Width::Bits24, 0);
    let _ = feed(&mut bench, TIMEOUT, &[(0, Some(1)), (1, Some(1))]);
    let _ = feed(&mut bench, TIMEOUT, &[(2, Some(0))]);
    assert_eq!((bench.nr(), bench.waiting()), (2, vec![1]));
    for id in 0..2 * cap {
        bench.receive(100 + id, Some(2), 0, TIMEOUT);
        assert!(bench.waiting().len() <= cap);
    }
    assert_eq!(bench.waiting().len(), cap);
}
