// SPDX-License-Identifier: GPL-2.0

//! The real receiver with a queue, driven by the protocol that its documentation asks for.

use crate::{Event, DEFAULT_TIMEOUT};
use std::collections::VecDeque;
use wire::{Admission, Pending, Queue, Receiver, Release, Width};

/// A queue of frames, each known by its number of arrival.
#[derive(Debug, Default)]
pub struct Frames {
    frames: VecDeque<(usize, Pending)>,
    /// Changes made so far.
    touched: usize,
    /// Times that a frame's place had to be looked for.
    walked: usize,
    /// Do not tell which frame is last.
    endless: bool,
}

impl Queue for Frames {
    type Frame = usize;

    fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    fn len(&self) -> usize {
        self.frames.len()
    }

    fn front(&self) -> Option<Pending> {
        self.frames.front().map(|&(_, info)| info)
    }

    fn back(&self) -> Option<Pending> {
        if self.endless {
            return None;
        }
        self.frames.back().map(|&(_, info)| info)
    }

    fn pop_front(&mut self) -> Option<usize> {
        self.touched += 1;
        self.frames.pop_front().map(|(frame, _)| frame)
    }

    fn push_back(&mut self, frame: usize, info: Pending) {
        self.touched += 1;
        self.frames.push_back((frame, info));
    }

    fn insert_before(
        &mut self,
        frame: usize,
        info: Pending,
        before: impl Fn(&Pending) -> bool,
    ) -> bool {
        self.touched += 1;
        self.walked += 1;
        match self.frames.iter().position(|(_, queued)| before(queued)) {
            Some(place) => {
                self.frames.insert(place, (frame, info));
                true
            }
            None => {
                self.frames.push_back((frame, info));
                false
            }
        }
    }
}

/// A session's receive path.
#[derive(Debug)]
pub struct Bench {
    receiver: Receiver,
    queue: Frames,
    epoch: u64,
    events: Vec<Event>,
}

impl Bench {
    /// A new session.
    pub fn new(width: Width) -> Self {
        Self::with(Receiver::new(width))
    }

    /// A session in this state.
    pub fn with(receiver: Receiver) -> Self {
        Self {
            receiver,
            queue: Frames::default(),
            epoch: 0,
            events: Vec::new(),
        }
    }

    /// Lets the clock begin at this time instead of zero.
    #[must_use]
    pub fn since(mut self, epoch: u64) -> Self {
        self.epoch = epoch;
        self
    }

    /// Takes a queue that does not know its last frame.
    #[must_use]
    pub fn without_back(mut self) -> Self {
        self.queue.endless = true;
        self
    }

    /// The number expected next.
    pub fn nr(&self) -> u32 {
        self.receiver.nr()
    }

    /// How often the queue was changed so far.
    pub fn touched(&self) -> usize {
        self.queue.touched
    }

    /// How often the queue was searched for a frame's place so far.
    pub fn walked(&self) -> usize {
        self.queue.walked
    }

    /// The frames that wait, first to last.
    pub fn waiting(&self) -> Vec<usize> {
        self.queue.frames.iter().map(|&(frame, _)| frame).collect()
    }

    /// What happened since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// A frame arrives. A `timeout` of zero means that no reorder timeout is configured.
    pub fn receive(&mut self, id: usize, ns: Option<u32>, now: u64, timeout: u64) {
        let wait = if timeout == 0 {
            DEFAULT_TIMEOUT
        } else {
            timeout
        };
        let now = self.epoch.wrapping_add(now);
        let info = Pending {
            ns,
            expires: now.wrapping_add(wait),
        };
        let admission = self.receiver.admit(&mut self.queue, id, info, timeout != 0);
        match admission {
            Admission::Deliver(frame) => self.events.push(Event::Delivered(frame)),
            Admission::Resynchronised(frame) => {
                self.events
                    .extend([Event::Resynchronised, Event::Delivered(frame)]);
            }
            Admission::Queued { out_of_order } => {
                if out_of_order {
                    self.events.push(Event::OutOfOrder(id));
                }
                self.run_queue(now);
            }
            Admission::OutsideWindow(frame) => self.events.push(Event::OutsideWindow(frame)),
            Admission::OutOfSequence(frame) => self.events.push(Event::OutOfSequence(frame)),
            Admission::QueueFull(frame) => {
                self.events.push(Event::QueueFull(frame));
                self.run_queue(now);
            }
        }
    }

    fn run_queue(&mut self, now: u64) {
        while let Some(release) = self.receiver.next(&mut self.queue, now) {
            match release {
                Release::Expired(frame, _) => self.events.push(Event::Expired(frame)),
                Release::Deliver {
                    frame,
                    resynchronised,
                    ..
                } => {
                    if resynchronised {
                        self.events.push(Event::Resynchronised);
                    }
                    self.events.push(Event::Delivered(frame));
                }
            }
        }
    }
}
