// SPDX-License-Identifier: GPL-2.0

//! The receiver on random streams, compared with the reference model and with what it promises.

use model::{Bench, Event, Model, Order};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use wire::{reorder, Receiver, Width};

const CAP: usize = reorder::MAX_QUEUE;

fn widths() -> impl Strategy<Value = Width> {
    prop_oneof![Just(Width::Bits16), Just(Width::Bits24)]
}

/// What a network does to one frame of a stream.
#[derive(Clone, Debug)]
struct Fate {
    lost: bool,
    copies: usize,
    /// Frames that overtake this one, and its copies.
    delays: [usize; 3],
    unsequenced: bool,
    /// Ticks since the frame before.
    pause: u64,
    /// Numbers that the sender leaves out before this frame.
    jump: u32,
}

fn fate() -> impl Strategy<Value = Fate> {
    (
        prop::bool::weighted(0.08),
        prop_oneof![9 => Just(1_usize), 1 => 2..=3_usize],
        prop_oneof![
            3 => Just([0; 3]),
            1 => prop::array::uniform3(0..12_usize),
        ],
        prop::bool::weighted(0.1),
        prop_oneof![8 => Just(0_u64), 4 => 1..20_u64, 1 => 20..1500_u64],
        prop_oneof![60 => Just(0_u32), 1 => 1..12_u32],
    )
        .prop_map(|(lost, copies, delays, unsequenced, pause, jump)| Fate {
            lost,
            copies,
            delays,
            unsequenced,
            pause,
            jump,
        })
}

/// An arrival.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    ns: Option<u32>,
    now: u64,
}

/// What arrives of a stream whose first number is `first`.
fn transmit(fates: &[Fate], first: u32) -> Vec<Arrival> {
    let mut network: Vec<(usize, Option<u32>, u64)> = Vec::new();
    let mut ns = first;
    for (position, fate) in fates.iter().enumerate() {
        ns += fate.jump;
        for delay in &fate.delays[..if fate.lost { 0 } else { fate.copies }] {
            let number = (!fate.unsequenced).then_some(ns);
            network.push((position + delay, number, fate.pause));
        }
        if !fate.unsequenced {
            ns += 1;
        }
    }
    network.sort_by_key(|&(position, ..)| position);
    let mut now = 0;
    network
        .into_iter()
        .map(|(_, ns, pause)| {
            now += pause;
            Arrival { ns, now }
        })
        .collect()
}

/// The mode: none, or one that lasts for the whole stream, or one that the user changes all the time.
fn timeouts() -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![
        Just(vec![0]),
        (1..300_u64).prop_map(|timeout| vec![timeout]),
        vec(prop_oneof![Just(0), 1..300_u64], 1..8),
    ]
}

/// The timeout that is in force at an arrival: each lasts for 40 frames.
fn timeout_at(timeouts: &[u64], id: usize) -> u64 {
    timeouts[(id / 40) % timeouts.len()]
}

/// Feeds both, and compares everything that can be seen after each frame.
fn compare(
    bench: &mut Bench,
    model: &mut Model,
    shift: (Width, u32),
    arrivals: &[Arrival],
    timeouts: &[u64],
) -> Result<Vec<Event>, TestCaseError> {
    let (width, shift) = shift;
    let shifted = |ns: u32| ns.wrapping_add(shift) & width.mask();
    let mut log = Vec::new();
    for (id, arrival) in arrivals.iter().enumerate() {
        let timeout = timeout_at(timeouts, id);
        bench.receive(id, arrival.ns.map(shifted), arrival.now, timeout);
        model.receive(id, arrival.ns, arrival.now, timeout);

        let events = bench.take_events();
        prop_assert_eq!(&events, &model.take_events(), "frame {} {:?}", id, arrival);
        prop_assert_eq!(
            bench.nr(),
            shifted(model.nr()),
            "frame {} {:?}",
            id,
            arrival
        );
        prop_assert_eq!(bench.waiting(), model.waiting());
        log.extend(events);
    }
    Ok(log)
}

/// Each frame has exactly one end: handed up, discarded, or still waiting.
fn check_conservation(bench: &Bench, log: &[Event], frames: usize) -> Result<(), TestCaseError> {
    let mut ends = BTreeMap::new();
    for event in log {
        match event {
            Event::OutOfOrder(_) | Event::Resynchronised => {}
            Event::Delivered(id)
            | Event::OutsideWindow(id)
            | Event::OutOfSequence(id)
            | Event::QueueFull(id)
            | Event::Expired(id) => *ends.entry(*id).or_insert(0) += 1,
        }
    }
    for id in bench.waiting() {
        *ends.entry(id).or_insert(0) += 1;
    }
    prop_assert!(ends.values().all(|&times| times == 1));
    prop_assert_eq!(
        ends.into_keys().collect::<Vec<_>>(),
        (0..frames).collect::<Vec<_>>()
    );
    Ok(())
}

/// Numbers anywhere, most of them where something happens.
#[derive(Clone, Copy, Debug)]
enum Number {
    None,
    /// Relative to Nr at that time.
    Near(i32),
    /// Relative to the end of the window from there.
    Edge(i32),
    Any(u32),
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        3 => Just(Number::None),
        12 => Just(Number::Near(0)),
        20 => (-4..16_i32).prop_map(Number::Near),
        2 => (-3..3_i32).prop_map(Number::Edge),
        1 => any::<u32>().prop_map(Number::Any),
    ]
}

/// Numbers, each with the ticks since the one before.
fn hostile() -> impl Strategy<Value = Vec<(Number, u64)>> {
    let pause = prop_oneof![6 => Just(0), 3 => 1..30_u64, 1 => 30..1200_u64];
    vec((number(), pause), 0..400)
}

/// Feeds both, the first frame being known as `first`, and compares everything that can be seen.
fn feed_hostile(
    bench: &mut Bench,
    model: &mut Model,
    width: Width,
    first: usize,
    numbers: &[(Number, u64)],
    timeouts: &[u64],
) -> Result<Vec<Event>, TestCaseError> {
    let mut now = 0;
    let mut log = model.take_events();
    prop_assert_eq!(&bench.take_events(), &log);
    for (id, (number, pause)) in (first..).zip(numbers) {
        now += pause;
        let near = |distance: i32| model.nr().wrapping_add_signed(distance) & width.mask();
        let ns = match *number {
            Number::None => None,
            Number::Near(distance) => Some(near(distance)),
            Number::Edge(distance) => Some(near(width.window() as i32 + distance)),
            Number::Any(ns) => Some(ns & width.mask()),
        };
        let timeout = timeout_at(timeouts, id - first);
        bench.receive(id, ns, now, timeout);
        model.receive(id, ns, now, timeout);
        let events = bench.take_events();
        prop_assert_eq!(&events, &model.take_events(), "frame {} {:?}", id, ns);
        prop_assert_eq!(bench.nr(), model.nr(), "frame {} {:?}", id, ns);
        prop_assert_eq!(bench.waiting(), model.waiting());
        log.extend(events);
    }
    Ok(log)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// A session from its beginning, far from the wrap: the contract to the letter.
    #[test]
    fn same_as_the_contract(
        width in widths(),
        first in prop_oneof![Just(0), 0..20_000_u32],
        fates in vec(fate(), 0..400),
        timeouts in timeouts(),
        epoch in prop_oneof![Just(0), any::<u64>(), u64::MAX - 20_000..=u64::MAX],
    ) {
        let arrivals = transmit(&fates, first);
        let mut bench = Bench::new(width).since(epoch);
        let mut model = Model::new(width.mask(), Order::Plain, CAP);
        let log = compare(&mut bench, &mut model, (width, 0), &arrivals, &timeouts)?;
        check_conservation(&bench, &log, arrivals.len())?;
    }

    /// The same stream with all numbers shifted fares the same: the wrap is a place like any other.
    #[test]
    fn same_anywhere(
        width in widths(),
        shift in prop_oneof![any::<u32>(), (0..400_u32).prop_map(|n| 0_u32.wrapping_sub(n))],
        fates in vec(fate(), 0..400),
        timeouts in timeouts(),
    ) {
        let arrivals = transmit(&fates, 1000);
        let mut bench = Bench::with(Receiver::expecting(width, shift.wrapping_add(1000)));
        let mut model = Model::expecting(width.mask(), 1000, Order::Plain, CAP);
        compare(&mut bench, &mut model, (width, shift), &arrivals, &timeouts)?;
    }

    /// Numbers that no honest sender would send, and a user who changes the mode.
    #[test]
    fn same_for_hostile_numbers(
        width in widths(),
        start: u32,
        numbers in hostile(),
        timeouts in timeouts(),
        without_back: bool,
    ) {
        let mut bench = Bench::with(Receiver::expecting(width, start));
        if without_back {
            bench = bench.without_back();
        }
        let nr = start & width.mask();
        let mut model = Model::expecting(width.mask(), nr, Order::Distance, CAP);
        let log = feed_hostile(&mut bench, &mut model, width, 0, &numbers, &timeouts)?;
        check_conservation(&bench, &log, numbers.len())?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// The same with a queue that is full, or about to be.
    #[test]
    fn same_with_a_full_queue(
        width in widths(),
        start: u32,
        behind in (0..20_usize),
        numbers in hostile(),
        timeouts in timeouts(),
    ) {
        let mut bench = Bench::with(Receiver::expecting(width, start));
        let nr = start & width.mask();
        let mut model = Model::expecting(width.mask(), nr, Order::Distance, CAP);
        let flood = CAP - behind;
        for id in 0..flood {
            // Every other number, so that there are places left between them.
            let ns = start.wrapping_add(2 + 2 * id as u32) & width.mask();
            bench.receive(id, Some(ns), 0, 50);
            model.receive(id, Some(ns), 0, 50);
        }
        prop_assert_eq!(bench.waiting().len(), flood);
        let log = feed_hostile(&mut bench, &mut model, width, flood, &numbers, &timeouts)?;
        check_conservation(&bench, &log, flood + numbers.len())?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Nothing lost, nothing late: whatever the order of arrival, all is handed up in order.
    #[test]
    fn reordering_restores_the_order(
        width in widths(),
        start: u32,
        delays in vec(0..60_usize, 1..500),
    ) {
        let mut arrivals: Vec<(usize, u32)> = (0..).zip(0..delays.len() as u32).collect();
        arrivals.sort_by_key(|&(position, _)| position + delays[position]);

        let mut bench = Bench::with(Receiver::expecting(width, start));
        for &(id, number) in &arrivals {
            let ns = start.wrapping_add(number) & width.mask();
            bench.receive(id, Some(ns), 0, 1);
        }
        let handed_up: Vec<_> = bench
            .take_events()
            .into_iter()
            .filter(|event| !matches!(event, Event::OutOfOrder(_)))
            .collect();
        let expected: Vec<_> = (0..delays.len()).map(Event::Delivered).collect();
        prop_assert_eq!(handed_up, expected);
    }

    /// Without reordering nothing ever waits.
    #[test]
    fn no_queue_without_reordering(
        width in widths(),
        first in 0..20_000_u32,
        fates in vec(fate(), 0..400),
    ) {
        let mut bench = Bench::new(width);
        for (id, arrival) in transmit(&fates, first).into_iter().enumerate() {
            bench.receive(id, arrival.ns, arrival.now, 0);
        }
        prop_assert_eq!(bench.touched(), 0);
    }
}
