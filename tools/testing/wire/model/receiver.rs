// SPDX-License-Identifier: GPL-2.0

//! The receiver's rules, as literally as they can be put: plain numbers, a `Vec`, no shortcuts.
//!
//! Every accepted frame enters the queue, and every arrival that was not discarded runs the queue.

use crate::{Event, DEFAULT_TIMEOUT};

/// How the queue is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By number, as the C driver does: wrong where the numbers wrap around.
    Plain,
    /// By signed distance from Nr.
    Distance,
}

#[derive(Clone, Debug)]
struct Waiting {
    id: usize,
    ns: Option<i64>,
    expires: u64,
}

/// The reference receiver.
#[derive(Clone, Debug)]
pub struct Model {
    order: Order,
    nr_max: i64,
    nr: i64,
    reorder_skip: bool,
    nr_oos: i64,
    nr_oos_count: u64,
    queue: Vec<Waiting>,
    capacity: usize,
    events: Vec<Event>,
}

impl Model {
    /// A new session whose greatest sequence number is `nr_max`.
    pub fn new(nr_max: u32, order: Order, capacity: usize) -> Self {
        Self {
            order,
            nr_max: i64::from(nr_max),
            nr: 0,
            reorder_skip: true,
            nr_oos: 0,
            nr_oos_count: 0,
            queue: Vec::new(),
            capacity,
            events: Vec::new(),
        }
    }

    /// A session in sequence that expects `nr`.
    pub fn expecting(nr_max: u32, nr: u32, order: Order, capacity: usize) -> Self {
        Self {
            nr: i64::from(nr),
            nr_oos: i64::from(nr),
            reorder_skip: false,
            ..Self::new(nr_max, order, capacity)
        }
    }

    /// The number expected next.
    pub fn nr(&self) -> u32 {
        self.nr as u32
    }

    /// The frames that wait, first to last.
    pub fn waiting(&self) -> Vec<usize> {
        self.queue.iter().map(|waiting| waiting.id).collect()
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
        let frame = Waiting {
            id,
            ns: ns.map(i64::from),
            expires: now + wait,
        };
        let accepted = match frame.ns {
            None => {
                self.append(frame);
                true
            }
            Some(ns) => self.receive_sequenced(frame, ns, timeout != 0),
        };
        if accepted {
            self.run_queue(now);
        }
    }

    fn receive_sequenced(&mut self, frame: Waiting, ns: i64, reorder: bool) -> bool {
        let distance = (ns - self.nr).rem_euclid(self.nr_max + 1);
        if distance >= self.nr_max / 2 {
            self.events.push(Event::OutsideWindow(frame.id));
            return false;
        }

        if reorder {
            self.insert(frame, ns);
            return true;
        }

        if ns == self.nr {
            self.append(frame);
            return true;
        }
        if ns == (self.nr_oos + 1) % (self.nr_max + 1) {
            self.nr_oos_count += 1;
        } else {
            self.nr_oos_count = 0;
        }
        self.nr_oos = ns;
        if self.nr_oos_count > 4 {
            self.reorder_skip = true;
        }
        if self.reorder_skip {
            self.append(frame);
            true
        } else {
            self.events.push(Event::OutOfSequence(frame.id));
            false
        }
    }

    fn append(&mut self, frame: Waiting) {
        if self.queue.len() >= self.capacity {
            self.events.push(Event::QueueFull(frame.id));
        } else {
            self.queue.push(frame);
        }
    }

    fn insert(&mut self, frame: Waiting, ns: i64) {
        let place = self
            .queue
            .iter()
            .position(|queued| queued.ns.is_some_and(|queued| self.is_later(queued, ns)));
        let leaves_at_once = ns == self.nr && place == Some(0);
        if self.queue.len() >= self.capacity && !leaves_at_once {
            self.events.push(Event::QueueFull(frame.id));
            return;
        }
        match place {
            Some(place) => {
                self.events.push(Event::OutOfOrder(frame.id));
                self.queue.insert(place, frame);
            }
            None => self.queue.push(frame),
        }
    }

    fn is_later(&self, queued: i64, ns: i64) -> bool {
        match self.order {
            Order::Plain => queued > ns,
            Order::Distance => self.distance_from_nr(queued) > self.distance_from_nr(ns),
        }
    }

    /// Positive from Nr on, negative before it; half of the range each way.
    fn distance_from_nr(&self, ns: i64) -> i64 {
        let range = self.nr_max + 1;
        match ns - self.nr {
            far_behind if far_behind < -range / 2 => far_behind + range,
            far_ahead if far_ahead >= range / 2 => far_ahead - range,
            near => near,
        }
    }

    fn run_queue(&mut self, now: u64) {
        while let Some(first) = self.queue.first().cloned() {
            if now > first.expires {
                self.events.push(Event::Expired(first.id));
                self.reorder_skip = true;
                self.queue.remove(0);
                continue;
            }
            if let Some(ns) = first.ns {
                if self.reorder_skip {
                    self.reorder_skip = false;
                    self.nr = ns;
                    self.events.push(Event::Resynchronised);
                }
                if ns != self.nr {
                    break;
                }
            }
            self.queue.remove(0);
            if first.ns.is_some() {
                self.nr = (self.nr + 1) % (self.nr_max + 1);
            }
            self.events.push(Event::Delivered(first.id));
        }
    }
}
