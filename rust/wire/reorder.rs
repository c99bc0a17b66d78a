// SPDX-License-Identifier: GPL-2.0

//! The receiver of a session: which data messages are accepted, and in which order they are handed up.
//!
//! RFC 2661 section 5.4 and RFC 3931 section 4.6.1 leave the policy to the implementation. This one has two
//! modes. With a reorder timeout, messages that arrive early wait in a queue, sorted by Ns, until those
//! before them have come or have been waited for long enough. Without, a message that is not the expected
//! one is dropped, until six in a row show that the sender is ahead for good.
//!
//! To a peer, all this is what the C driver does, except that
//!
//! - the queue is sorted relative to Nr, so that nothing is lost where the numbers wrap around;
//! - the queue is bounded by [`MAX_QUEUE`].
//!
//! Nobody sees that a message whose turn it is does not pass through an empty queue.
//!
//! There is no lock and no clock in here: the caller keeps others away from receiver and queue, and passes
//! the time.

use crate::sequence::Width;

/// Frames that the queue may hold.
///
/// Without a bound, a peer that leaves out one number and then sends as fast as it can fills the memory
/// for as long as the reorder timeout lasts.
pub const MAX_QUEUE: usize = 4096;

/// Frames in a row, each one the successor of the one before, that follow an unexpected one before the
/// receiver gives up on those missing.
const MAX_CONSECUTIVE: u8 = 4;

/// What is remembered of a frame while it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The sequence number, if the frame has one; not greater than [`Width::mask`].
    pub ns: Option<u32>,
    /// The frame is discarded if it still waits after this time, in any unit that the caller likes.
    ///
    /// May wrap around; must be less than half of the range away from any time that it is compared with.
    pub expires: u64,
}

/// Storage for the frames that wait.
pub trait Queue {
    /// A received frame.
    type Frame;

    /// Whether no frame waits.
    fn is_empty(&self) -> bool;

    /// The number of frames that wait.
    fn len(&self) -> usize;

    /// The first frame.
    fn front(&self) -> Option<Pending>;

    /// The last frame.
    ///
    /// Saves a walk through the queue if the frame to be inserted belongs behind it, which is the usual
    /// case; a queue that does not know its end may return `None`.
    #[inline]
    fn back(&self) -> Option<Pending> {
        None
    }

    /// Takes the first frame out.
    fn pop_front(&mut self) -> Option<Self::Frame>;

    /// Appends a frame.
    fn push_back(&mut self, frame: Self::Frame, info: Pending);

    /// Inserts a frame in front of the first for which `before` holds, and returns true; if there is none,
    /// appends it and returns false.
    fn insert_before(
        &mut self,
        frame: Self::Frame,
        info: Pending,
        before: impl Fn(&Pending) -> bool,
    ) -> bool;
}

/// What becomes of a frame on arrival.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Admission<F> {
    /// Hand it up now. Nothing waits, and Nr has moved on if the frame has a number.
    Deliver(F),
    /// Hand it up now, as [`Deliver`](Self::Deliver); its number was taken as the new beginning.
    Resynchronised(F),
    /// It waits: call [`Receiver::next`] until that returns `None`.
    Queued {
        /// It was put in front of a frame that came before it.
        out_of_order: bool,
    },
    /// Discard it: its number is not in the window that begins with Nr.
    OutsideWindow(F),
    /// Discard it: it is not the expected one, and there is no reordering.
    OutOfSequence(F),
    /// Discard it: [`MAX_QUEUE`] frames wait. Then call [`Receiver::next`] until that returns `None`, since
    /// frames can have expired.
    QueueFull(F),
}

/// A frame that leaves the queue.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Release<F> {
    /// Discard it: it has waited too long. Its number, if it has one, is the second field.
    Expired(F, Option<u32>),
    /// Hand it up.
    Deliver {
        /// The frame.
        frame: F,
        /// Its number was taken as the new beginning.
        resynchronised: bool,
        /// It has a number, after which Nr has moved on.
        sequenced: bool,
    },
}

/// The receive state of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    width: Width,
    /// The number expected next.
    nr: u32,
    /// The latest unexpected number.
    nr_oos: u32,
    /// How many unexpected numbers in a row were each the successor of the one before.
    nr_oos_count: u8,
    /// Take the number of the next frame to be handed up as the new Nr.
    reorder_skip: bool,
    /// Frames were appended regardless of their numbers, since reordering was off while some waited.
    unsorted: bool,
}

impl Receiver {
    /// The state of a new session: Nr is zero, and the first number seen within the window from there is
    /// taken as the beginning.
    #[inline]
    pub const fn new(width: Width) -> Self {
        Self {
            reorder_skip: true,
            ..Self::expecting(width, 0)
        }
    }

    /// The state of a session that is in sequence and expects `nr`.
    #[inline]
    pub const fn expecting(width: Width, nr: u32) -> Self {
        let nr = nr & width.mask();
        Self {
            width,
            nr,
            nr_oos: nr,
            nr_oos_count: 0,
            reorder_skip: false,
            unsorted: false,
        }
    }

    /// The sequence number expected next.
    #[inline]
    pub const fn nr(&self) -> u32 {
        self.nr
    }

    /// The width of the sequence numbers.
    #[inline]
    pub const fn width(&self) -> Width {
        self.width
    }

    /// Decides on a frame that has just arrived. `reorder` says whether a reorder timeout is configured.
    ///
    /// Always with the same queue, and only after [`next`](Self::next) has returned `None`.
    #[inline]
    pub fn admit<Q: Queue>(
        &mut self,
        queue: &mut Q,
        frame: Q::Frame,
        info: Pending,
        reorder: bool,
    ) -> Admission<Q::Frame> {
        if queue.is_empty() {
            match info.ns {
                None => return Admission::Deliver(frame),
                Some(ns) if ns == self.nr && !self.reorder_skip => {
                    self.nr = self.width.next(ns);
                    return Admission::Deliver(frame);
                }
                Some(_) => {}
            }
        }
        self.admit_unexpected(queue, frame, info, reorder)
    }

    /// [`admit`](Self::admit) for all but the two usual cases.
    fn admit_unexpected<Q: Queue>(
        &mut self,
        queue: &mut Q,
        frame: Q::Frame,
        info: Pending,
        reorder: bool,
    ) -> Admission<Q::Frame> {
        let Some(ns) = info.ns else {
            return self.append(queue, frame, info);
        };

        // The window comes first, even if any number would do: a session whose first number is too far
        // from zero never receives.
        if self.width.sub(ns, self.nr) >= self.width.window() {
            return Admission::OutsideWindow(frame);
        }
        if !reorder && ns != self.nr && !self.tolerates(ns) {
            return Admission::OutOfSequence(frame);
        }

        if queue.is_empty() {
            self.unsorted = false;
            if self.reorder_skip {
                self.reorder_skip = false;
                self.nr = self.width.next(ns);
                return Admission::Resynchronised(frame);
            }
        }
        if reorder {
            self.insert(queue, frame, info, ns)
        } else {
            self.unsorted = true;
            self.append(queue, frame, info)
        }
    }

    /// Whether an unexpected number is acceptable without reordering.
    fn tolerates(&mut self, ns: u32) -> bool {
        if ns == self.width.next(self.nr_oos) {
            self.nr_oos_count = self.nr_oos_count.saturating_add(1);
        } else {
            self.nr_oos_count = 0;
        }
        self.nr_oos = ns;
        if self.nr_oos_count > MAX_CONSECUTIVE {
            self.reorder_skip = true;
        }
        self.reorder_skip
    }

    fn append<Q: Queue>(
        &self,
        queue: &mut Q,
        frame: Q::Frame,
        info: Pending,
    ) -> Admission<Q::Frame> {
        if queue.len() >= MAX_QUEUE {
            return Admission::QueueFull(frame);
        }
        queue.push_back(frame, info);
        Admission::Queued {
            out_of_order: false,
        }
    }

    /// Puts a frame in its place. Equal numbers stay in the order of arrival, and a frame without number
    /// behind those that came before it.
    fn insert<Q: Queue>(
        &self,
        queue: &mut Q,
        frame: Q::Frame,
        info: Pending,
        ns: u32,
    ) -> Admission<Q::Frame> {
        let rank = self.rank(ns);
        let is_later = |queued: &Pending| queued.ns.is_some_and(|queued| self.rank(queued) > rank);

        // A full queue must not keep out the frame that it waits for.
        if queue.len() >= MAX_QUEUE
            && !(ns == self.nr && queue.front().is_some_and(|first| is_later(&first)))
        {
            return Admission::QueueFull(frame);
        }

        let belongs_last = !self.unsorted
            && queue
                .back()
                .is_some_and(|last| last.ns.is_some() && !is_later(&last));
        let out_of_order = if belongs_last {
            queue.push_back(frame, info);
            false
        } else {
            queue.insert_before(frame, info, is_later)
        };
        Admission::Queued { out_of_order }
    }

    /// A number's place in the order of the queue, which has Nr in the middle: the numbers of the window
    /// follow it, and duplicates of what was already handed up precede it.
    fn rank(&self, ns: u32) -> u32 {
        let beginning = self.nr.wrapping_sub(self.width.window()).wrapping_sub(1);
        self.width.sub(ns, beginning)
    }

    /// Takes the next frame that need not wait any longer out of the queue.
    ///
    /// `None` if there is none: the first frame's turn has not come yet, nor has its time run out; those
    /// behind it wait with it.
    pub fn next<Q: Queue>(&mut self, queue: &mut Q, now: u64) -> Option<Release<Q::Frame>> {
        let first = queue.front()?;

        if is_after(now, first.expires) {
            self.reorder_skip = true;
            return Some(Release::Expired(queue.pop_front()?, first.ns));
        }

        let Some(ns) = first.ns else {
            return Some(Release::Deliver {
                frame: queue.pop_front()?,
                resynchronised: false,
                sequenced: false,
            });
        };
        let resynchronised = self.reorder_skip;
        if resynchronised {
            self.reorder_skip = false;
            self.nr = ns;
        }
        if ns != self.nr {
            return None;
        }
        self.nr = self.width.next(ns);
        Some(Release::Deliver {
            frame: queue.pop_front()?,
            resynchronised,
            sequenced: true,
        })
    }
}

/// Whether time `a` is later than `b`, also where the counter wraps around.
#[inline]
const fn is_after(a: u64, b: u64) -> bool {
    (b.wrapping_sub(a) as i64) < 0
}
