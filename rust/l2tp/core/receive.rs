// SPDX-License-Identifier: GPL-2.0

//! Reception: from the UDP socket, or the IP layer, to a session's pseudowire.
//!
//! A datagram that is no valid frame of a session is left to the user of the socket, who may speak another protocol on it. From
//! where a frame is known to be ours it is handed up or discarded, and counted.

use crate::{
    log, log_frame,
    registry::NetState,
    reorder::{Frame, Reorder},
    trace, Session, Tunnel,
};
use kernel::prelude::*;
use net::{
    namespace::Namespace,
    rcu::Softirq,
    shared::Shared,
    skb::{Load, Reason, SkBuff},
    sock::Family,
    time::jiffies,
    udp::{Encapsulation, SocketKey, Verdict},
};
use wire::{
    v2, v3,
    v3::{DefaultSublayer, L2Spec},
    Admission, Pending, Release, MIN_UDP_FRAME,
};

/// L2TP over UDP.
pub(crate) struct L2tpInUdp;

impl Encapsulation for L2tpInUdp {
    /// `UDP_ENCAP_L2TPINUDP`
    const TYPE: u8 = 3;

    #[inline]
    fn receive(
        ns: &Namespace,
        socket: SocketKey,
        mut skb: SkBuff,
        softirq: Softirq<'_>,
    ) -> Verdict {
        if log::masks::is_enabled() {
            if let Ok(net) = NetState::of(ns) {
                skb = log::datagram(net, socket, skb, softirq.read_side());
            }
        }
        let Ok(net) = NetState::of_rcu(ns, softirq.read_side()) else {
            return Verdict::PassUp(skb);
        };
        let Some(first) = skb.pull_up::<MIN_UDP_FRAME>() else {
            return Verdict::PassUp(skb);
        };
        match wire::udp::classify(first) {
            wire::udp::Frame::Control => Verdict::PassUp(skb),
            wire::udp::Frame::V2(header) => {
                match net.v2_session(header.tunnel_id, header.session_id, softirq.read_side()) {
                    Some(session) => session.receive_v2(skb, &header, softirq),
                    None => Verdict::PassUp(skb),
                }
            }
            wire::udp::Frame::V3(header) => {
                match net.v3_session(header.session_id, Some(socket), softirq.read_side()) {
                    Some(session) if session.version == header.version => {
                        if !skb.may_pull(session.v3_header_len(v3::UDP_HEADER_LEN)) {
                            return session.invalid(skb);
                        }
                        session.receive_v3(skb, v3::UDP_HEADER_LEN, softirq);
                        Verdict::Consumed
                    }
                    Some(session) => session.invalid(skb),
                    None => Verdict::PassUp(skb),
                }
            }
        }
    }

    /// Session header, the longest cookie, and the sublayer.
    const LONGEST_SHARED: usize = v3::UDP_HEADER_LEN + 8 + 4;

    /// Merged are frames of Ethernet sessions that are good, without sequence numbers: each must keep its own.
    fn shared_header(
        ns: &Namespace,
        socket: SocketKey,
        start: &[u8],
        softirq: Softirq<'_>,
    ) -> Option<usize> {
        let wire::udp::Frame::V3(header) = wire::udp::classify(start.first_chunk()?) else {
            return None;
        };
        let net = NetState::of_rcu(ns, softirq.read_side()).ok()?;
        let session = net.v3_session(header.session_id, Some(socket), softirq.read_side())?;
        let length = session.v3_header_len(v3::UDP_HEADER_LEN);
        let good = session.version == header.version
            && session
                .peer_cookie()
                .matches(start.get(v3::UDP_HEADER_LEN..)?)
            && session.is_unsequenced()
            && session.sequence_number(start.get(..length)?).is_none()
            && session.pseudowire().carries_ethernet();
        good.then_some(length)
    }

    fn destroy(ns: &Namespace, socket: SocketKey) {
        socket_closed(ns, socket);
    }
}

/// A data frame that came directly over IP of `family`, and starts with the id of its session, which is `session_id`.
///
/// As in every encapsulation the id alone says whose frame it is. What is not of a session is dropped.
#[inline]
pub fn receive_ip(
    ns: &Namespace,
    session_id: u32,
    family: Family,
    mut skb: SkBuff,
    softirq: Softirq<'_>,
) {
    // Who has verified a checksum in a packet of this protocol cannot have been sure which one.
    skb.forget_verified_checksum();
    let session = NetState::of_rcu(ns, softirq.read_side())
        .ok()
        .and_then(|net| net.v3_session(session_id, None, softirq.read_side()));
    let Some(session) = session else {
        return skb.discard(Reason::NoSocket);
    };
    if !skb.may_pull(session.v3_header_len(v3::IP_HEADER_LEN)) {
        return skb.discard(Reason::HeaderTruncated);
    }
    // The IP layer has checked the policies of the namespace, but a socket can have its own.
    let socket = session.tunnel().socket();
    if socket.has_receive_policy() && !socket.accepts(&skb, family) {
        return skb.discard(Reason::Policy);
    }
    log_frame!(session.tunnel(), "{}: ip recv\n", skb.data());
    session.receive_v3(skb, v3::IP_HEADER_LEN, softirq);
}

/// The last user of a socket closes it, which may be a tunnel's. Process context.
pub fn socket_closed(ns: &Namespace, socket: SocketKey) {
    let Ok(net) = NetState::of(ns) else { return };
    let tunnel = {
        let rcu = net::rcu::read_lock();
        net.tunnel_by_socket(socket, rcu.read_side())
            .and_then(Shared::try_get)
    };
    if let Some(tunnel) = tunnel {
        Tunnel::socket_closed(&tunnel);
    }
}

/// Why a frame of a session is discarded, beyond that it is.
enum Discard {
    /// The cookie is wrong.
    Cookie,
    /// A sequence number is missing, or not acceptable.
    Sequence,
    /// Anything else.
    Other,
}

impl Session {
    /// A frame that names this session but cannot be its.
    fn invalid(&self, skb: SkBuff) -> Verdict {
        self.tunnel().rx_invalid.increment();
        Verdict::PassUp(skb)
    }

    /// Counts and frees a frame.
    #[cold]
    fn discard(&self, skb: SkBuff, why: Discard, reason: Reason) {
        let statistics = &self.statistics;
        match why {
            Discard::Cookie => {
                let tunnel = self.tunnel();
                log!(
                    tunnel,
                    Data,
                    info,
                    "{}: cookie mismatch ({}/{}). Discarding.\n",
                    tunnel.id(),
                    self.id()
                );
                statistics.rx_cookie_discards.increment()
            }
            Discard::Sequence => statistics.rx_seq_discards.increment(),
            Discard::Other => {}
        }
        statistics.rx_errors.increment();
        skb.discard(reason);
    }

    #[inline]
    fn receive_v2(
        self: &Shared<Self>,
        mut skb: SkBuff,
        header: &v2::DataHeader,
        softirq: Softirq<'_>,
    ) -> Verdict {
        if self.version != 2 {
            return self.invalid(skb);
        }
        let header_len = header.header_len();
        // The rest is found out below.
        skb.may_pull(header_len);
        self.receive(skb, header.ns.map(u32::from), header_len, softirq);
        Verdict::Consumed
    }

    /// Length of the header of an L2TPv3 frame of this session, in which `offset` bytes precede the cookie.
    #[inline]
    fn v3_header_len(&self, offset: usize) -> usize {
        offset.wrapping_add(self.received_options.into())
    }

    /// The sequence number in the header of an L2TPv3 frame of this session.
    #[inline]
    fn sequence_number(&self, header: &[u8]) -> Option<u32> {
        match self.l2spec() {
            L2Spec::None => None,
            L2Spec::Default => DefaultSublayer::parse(header.last_chunk()?).ns,
        }
    }

    /// A frame of an L2TPv3 session, with its header in the linear area. What precedes the cookie takes `offset` bytes.
    #[inline]
    fn receive_v3(self: &Shared<Self>, skb: SkBuff, offset: usize, softirq: Softirq<'_>) {
        let header_len = self.v3_header_len(offset);
        if !self.peer_cookie().is_empty() {
            let received = skb.data().get(offset..).unwrap_or(&[]);
            if !self.peer_cookie().matches(received) {
                return self.discard(skb, Discard::Cookie, Reason::InvalidProtocol);
            }
        }
        let ns = skb
            .data()
            .get(..header_len)
            .and_then(|header| self.sequence_number(header));
        self.receive(skb, ns, header_len, softirq);
    }

    /// A frame of this session, whose header takes `header_len` bytes of the linear area and has the sequence number `ns`.
    #[inline(always)]
    fn receive(
        self: &Shared<Self>,
        mut skb: SkBuff,
        ns: Option<u32>,
        header_len: usize,
        softirq: Softirq<'_>,
    ) {
        if ns.is_some() || !self.is_unsequenced() {
            return self.receive_sequenced(skb, ns, header_len, softirq);
        }
        let Some(load) = skb.decapsulate(header_len) else {
            return self.discard(skb, Discard::Other, Reason::HeaderTruncated);
        };
        self.deliver(Frame { skb, load }, softirq);
    }

    /// The same, if sequence numbers matter.
    #[inline(never)]
    fn receive_sequenced(
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

    /// Counts a frame and hands it to the pseudowire.
    #[inline]
    fn deliver(self: &Shared<Self>, frame: Frame, softirq: Softirq<'_>) {
        let Frame { mut skb, load } = frame;
        self.count_delivered(&mut skb, load, softirq);
        self.pseudowire().receive(self, skb, load, softirq);
    }

    /// The same for a frame whose turn it is.
    fn deliver_in_order(self: &Shared<Self>, frame: Frame, softirq: Softirq<'_>) {
        let Frame { mut skb, load } = frame;
        self.count_delivered(&mut skb, load, softirq);
        self.pseudowire().receive_in_order(self, skb, load, softirq);
    }

    #[inline]
    fn count_delivered(&self, skb: &mut SkBuff, load: Load, softirq: Softirq<'_>) {
        skb.orphan();
        self.tunnel().statistics.received(load, softirq);
        self.statistics.received(load, softirq);
    }
}

/// Frames in a queue, for trace events.
fn queue_len(queue: &impl wire::Queue) -> u32 {
    // CAST: The queue is limited.
    queue.len() as u32
}
