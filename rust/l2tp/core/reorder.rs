// SPDX-License-Identifier: GPL-2.0

//! The reorder queue of a session: `wire`'s receiver state machine over a queue of packets.

use net::skb::{Load, Queue, SkBuff};
use wire::{Pending, Receiver, Width};

/// A frame that waits, or is about to be handed up.
pub(crate) struct Frame {
    /// The payload.
    pub(crate) skb: SkBuff,
    /// What it counts as: with the L2TP headers.
    pub(crate) load: Load,
}

/// What the queue keeps with each packet.
#[derive(Clone, Copy)]
struct Info {
    pending: Pending,
    load: Load,
}

/// Packets that wait for those before them.
pub(crate) struct ReorderQueue(Queue<Info>);

impl wire::Queue for ReorderQueue {
    type Frame = Frame;

    #[inline]
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn front(&self) -> Option<Pending> {
        self.0.front().map(|info| info.pending)
    }

    fn back(&self) -> Option<Pending> {
        self.0.back().map(|info| info.pending)
    }

    fn pop_front(&mut self) -> Option<Frame> {
        let (skb, info) = self.0.pop_front()?;
        Some(Frame {
            skb,
            load: info.load,
        })
    }

    fn push_back(&mut self, frame: Frame, pending: Pending) {
        let load = frame.load;
        self.0.push_back(frame.skb, Info { pending, load });
    }

    fn insert_before(
        &mut self,
        frame: Frame,
        pending: Pending,
        before: impl Fn(&Pending) -> bool,
    ) -> bool {
        let load = frame.load;
        self.0
            .insert_before(frame.skb, Info { pending, load }, |info| {
                before(&info.pending)
            })
    }
}

/// Receive state of a session, inside its lock.
pub(crate) struct Reorder {
    pub(crate) receiver: Receiver,
    pub(crate) queue: ReorderQueue,
}

impl Reorder {
    pub(crate) const fn new(width: Width) -> Self {
        Self {
            receiver: Receiver::new(width),
            queue: ReorderQueue(Queue::new()),
        }
    }

    /// Empties the queue. Returns how many frames were in it.
    pub(crate) fn purge(&mut self) -> u64 {
        let n = self.queue.0.len() as u64;
        self.queue.0 = Queue::new();
        n
    }
}
