// SPDX-License-Identifier: GPL-2.0

//! The receiver, compared with the reference model after each frame.
//!
//! Input: one byte (bit 0: width, bit 1: new session, bit 2: a queue that does not know its last frame), the
//! first Nr, then operations: a byte, followed by what it needs. Numbers are mostly relative to Nr, since
//! others end outside the window.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::{Bench, Model, Order};
use wire::{reorder, Receiver, Width};

/// Frames after which a run ends. Too few to fill the queue, which would leave the fuzzer no time for
/// anything else; the tests of `wire` do that.
const FRAMES: usize = 300;

fuzz_target!(|input: &[u8]| {
    let _ = run(input);
});

fn run(input: &[u8]) -> Option<()> {
    let mut input = input.iter().copied();
    let mut byte = || input.next();

    let setup = byte()?;
    let width = if setup & 1 == 0 {
        Width::Bits16
    } else {
        Width::Bits24
    };
    let start = u32::from_be_bytes([0, byte()?, byte()?, byte()?]);
    let mut both = Both::new(width, start, setup & 2 != 0, setup & 4 != 0);
    while both.arrived < FRAMES {
        let operation = byte()?;
        let small = operation >> 3;
        let nr = both.model.nr();
        match operation & 7 {
            // The expected number, or one of those that follow.
            0 | 1 => both.arrive(Some(nr + u32::from(small >> 1))),
            // One of those that came before.
            2 => both.arrive(Some(nr.wrapping_sub(u32::from(small)))),
            // One at the end of the window.
            3 => both.arrive(Some(nr + width.window() + u32::from(small) - 16)),
            // Any.
            4 => both.arrive(Some(u32::from_be_bytes([small, byte()?, byte()?, byte()?]))),
            5 => both.arrive(None),
            6 => both.now += u64::from(small) * u64::from(small),
            // A new timeout, or a burst with a gap.
            _ if small < 16 => both.timeout = u64::from(small) * 8,
            _ => {
                for number in 1..=u32::from(small) {
                    both.arrive(Some(nr + number));
                }
            }
        }
        assert_eq!(both.bench.waiting(), both.model.waiting());
    }
    Some(())
}

/// The receiver and its model.
struct Both {
    width: Width,
    bench: Bench,
    model: Model,
    arrived: usize,
    now: u64,
    timeout: u64,
}

impl Both {
    fn new(width: Width, start: u32, new: bool, without_back: bool) -> Self {
        let (order, cap) = (Order::Distance, reorder::MAX_QUEUE);
        let start = start & width.mask();
        let (bench, model) = if new {
            let model = Model::new(width.mask(), order, cap);
            (Bench::new(width), model)
        } else {
            let model = Model::expecting(width.mask(), start, order, cap);
            (Bench::with(Receiver::expecting(width, start)), model)
        };
        // A clock that is about to wrap around.
        let bench = bench.since(u64::MAX - 2000);
        Self {
            width,
            bench: if without_back {
                bench.without_back()
            } else {
                bench
            },
            model,
            arrived: 0,
            now: 0,
            timeout: 0,
        }
    }

    fn arrive(&mut self, ns: Option<u32>) {
        let ns = ns.map(|ns| ns & self.width.mask());
        let id = self.arrived;
        self.arrived += 1;
        self.bench.receive(id, ns, self.now, self.timeout);
        self.model.receive(id, ns, self.now, self.timeout);
        assert_eq!(self.bench.take_events(), self.model.take_events());
        assert_eq!(self.bench.nr(), self.model.nr());
    }
}
