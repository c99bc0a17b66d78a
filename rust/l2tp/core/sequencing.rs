// SPDX-License-Identifier: GPL-2.0

//! Reception of frames whose sequence numbers matter (RFC 2661 section 5.4, RFC 3931 section 4.6): who sends them, which are
//! acceptable, and in what order they are handed up. The decisions are those of `wire`'s receiver; here they are carried out.

use crate::{
    log,
    receive::Discard,
    reorder::{Frame, Reorder},
    trace, Session,
};
use kernel::prelude::*;
use net::{
    rcu::Softirq,
    shared::Shared,
    skb::{Reason, SkBuff},
    time::jiffies,
};
use wire::{Admission, Pending, Release};

impl Session {
    /// A frame of this session, if sequence numbers matter: its header takes `header_len` bytes of the linear area, and has the number `ns`.
    #[inline(never)]
    pub(crate) fn receive_sequenced(
        self: &Shared<Self>,
        mut skb: SkBuff,
        ns: Option<u32>,
        header_len: usize,
        softirq: Softirq<'_>,
    ) {
        if let Err(()) = self.follow_sequencing(ns.is_some()) {
            log!(
                self,
                Seq,
                warn,
                "{}: recv data has no seq numbers when required. Discarding.\n"
            );
            return self.discard(skb, Discard::Sequence, Reason::OldSequence);
        }
        let Some(load) = skb.decapsulate(header_len) else {
            return self.discard(skb, Discard::Other, Reason::HeaderTruncated);
        };
        let frame = Frame { skb, load };
        // A frame without number only waits for those that wait already.
        if ns.is_none() && !self.is_reordering() {
            self.deliver(frame, softirq);
        } else {
            self.receive_in_order(frame, ns, softirq);
        }
    }

    /// A LAC sends sequence numbers if its LNS does; who demands them discards frames without.
    #[inline]
    fn follow_sequencing(&self, sequenced: bool) -> Result<(), ()> {
        let lac = !self.lns_mode();
        if sequenced {
            if lac && !self.send_seq() {
                trace::session_seqnum_lns_enable(self.tunnel().id(), self.id());
                log!(
                    self,
                    Seq,
                    info,
                    "{}: requested to enable seq numbers by LNS\n"
                );
                self.set_send_seq(true);
            }
            return Ok(());
        }
        if self.recv_seq() {
            return Err(());
        }
        if self.send_seq() {
            if !lac {
                return Err(());
            }
            trace::session_seqnum_lns_disable(self.tunnel().id(), self.id());
            log!(
                self,
                Seq,
                info,
                "{}: requested to disable seq numbers by LNS\n"
            );
            self.set_send_seq(false);
        }
        Ok(())
    }

    /// Hands a frame up when its turn comes. One CPU at a time, so that what is put in order stays so.
    fn receive_in_order(
        self: &Shared<Self>,
        mut frame: Frame,
        ns: Option<u32>,
        softirq: Softirq<'_>,
    ) {
        // It may have to wait, and be handed up long after its device and route have gone.
        frame.skb.detach(self.tunnel().socket().namespace());
        let now = jiffies();
        let timeout = self.reorder_timeout();
        let waits = if timeout != 0 {
            u64::from(timeout)
        } else {
            net::time::msecs_to_jiffies(1000)
        };
        let pending = Pending {
            ns,
            expires: now.wrapping_add(waits),
        };
        let mut guard = self.reorder.lock();
        let Reorder { receiver, queue } = &mut *guard;
        let pkt_ns = ns.unwrap_or(0);
        if ns.is_some() {
            let nr = receiver.nr();
            log!(
                self,
                Seq,
                debug,
                "{}: recv data ns={}, session nr={}\n",
                pkt_ns,
                nr
            );
        }
        match receiver.admit(queue, frame, pending, timeout != 0) {
            Admission::Deliver(frame) => {
                self.advanced(receiver.nr(), ns.is_some());
                return self.deliver_in_order(frame, softirq);
            }
            Admission::Resynchronised(frame) => {
                log!(
                    self,
                    Seq,
                    debug,
                    "{}: several oos packets received. Resetting sequence numbers\n"
                );
                trace::session_seqnum_reset(self.tunnel().id(), self.id(), self.ns(), pkt_ns);
                self.advanced(receiver.nr(), true);
                return self.deliver_in_order(frame, softirq);
            }
            Admission::Queued { out_of_order } => {
                if out_of_order {
                    self.statistics.rx_oos_packets.increment();
                    log!(
                        self,
                        Seq,
                        debug,
                        "{}: pkt {}, inserted before others, reorder_q len={}\n",
                        pkt_ns,
                        queue_len(queue)
                    );
                }
            }
            Admission::OutsideWindow(frame) => {
                trace::session_pkt_outside_rx_window(
                    self.tunnel().id(),
                    self.id(),
                    pkt_ns,
                    receiver.nr(),
                    queue_len(queue),
                );
                log!(
                    self,
                    Seq,
                    debug,
                    "{}: pkt {} len {} discarded, outside window, nr={}\n",
                    pkt_ns,
                    frame.load.bytes,
                    receiver.nr()
                );
                return self.discard(frame.skb, Discard::Other, Reason::OldSequence);
            }
            Admission::OutOfSequence(frame) => {
                trace::session_pkt_oos(
                    self.tunnel().id(),
                    self.id(),
                    pkt_ns,
                    receiver.nr(),
                    queue_len(queue),
                );
                log!(
                    self,
                    Seq,
                    debug,
                    "{}: oos pkt {} len {} discarded, waiting for {}, reorder_q_len={}\n",
                    pkt_ns,
                    frame.load.bytes,
                    receiver.nr(),
                    queue_len(queue)
                );
                return self.discard(frame.skb, Discard::Sequence, Reason::OldSequence);
            }
            Admission::QueueFull(frame) => {
                log!(
                    self,
                    Seq,
                    debug,
                    "{}: oos pkt {} discarded, no room, waiting for {}, reorder_q_len={}\n",
                    pkt_ns,
                    receiver.nr(),
                    queue_len(queue)
                );
                self.discard(frame.skb, Discard::Sequence, Reason::OldSequence)
            }
        }
        while let Some(release) = receiver.next(queue, now) {
            match release {
                Release::Expired(frame, expired) => {
                    trace::session_pkt_expired(
                        self.tunnel().id(),
                        self.id(),
                        expired.unwrap_or(0),
                        receiver.nr(),
                        queue_len(queue),
                    );
                    log!(
                        self,
                        Seq,
                        debug,
                        "{}: oos pkt {} len {} discarded (too old), waiting for {}, reorder_q_len={}\n",
                        expired.unwrap_or(0),
                        frame.load.bytes,
                        receiver.nr(),
                        queue_len(queue)
                    );
                    self.discard(frame.skb, Discard::Sequence, Reason::OldSequence);
                }
                Release::Deliver {
                    frame,
                    resynchronised,
                    sequenced,
                } => {
                    if resynchronised {
                        // The number that was adopted; Nr is one further already.
                        let adopted = receiver.width().sub(receiver.nr(), 1);
                        trace::session_seqnum_reset(
                            self.tunnel().id(),
                            self.id(),
                            self.ns(),
                            adopted,
                        );
                        log!(
                            self,
                            Seq,
                            debug,
                            "{}: advancing nr to next pkt: {}\n",
                            adopted
                        );
                    }
                    self.advanced(receiver.nr(), sequenced);
                    self.deliver_in_order(frame, softirq);
                }
            }
        }
        if let Some(head) = wire::Queue::front(queue) {
            log!(
                self,
                Seq,
                debug,
                "{}: holding oos pkt {}, waiting for {}, reorder_q_len={}\n",
                head.ns.unwrap_or(0),
                receiver.nr(),
                queue_len(queue)
            );
        }
        self.set_reordering(!wire::Queue::is_empty(queue));
    }

    /// Nr moved on.
    #[inline]
    fn advanced(&self, nr: u32, sequenced: bool) {
        if sequenced {
            trace::session_seqnum_update(self.tunnel().id(), self.id(), self.ns(), nr);
            log!(self, Seq, debug, "{}: updated nr to {}\n", nr);
        }
    }

    /// Counts a frame whose turn it is and hands it to the pseudowire.
    fn deliver_in_order(self: &Shared<Self>, frame: Frame, softirq: Softirq<'_>) {
        let Frame { mut skb, load } = frame;
        self.count_delivered(&mut skb, load);
        self.pseudowire().receive_in_order(self, skb, load, softirq);
    }
}

/// Frames in a queue, for trace events.
fn queue_len(queue: &impl wire::Queue) -> u32 {
    // CAST: The queue is limited.
    queue.len() as u32
}
