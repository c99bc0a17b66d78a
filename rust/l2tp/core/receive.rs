// SPDX-License-Identifier: GPL-2.0

//! Reception: from the UDP socket, or the IP layer, to a session's pseudowire.
//!
//! A datagram that is no valid frame of a session is left to the user of the socket, who may speak another protocol on it. From
//! where a frame is known to be ours it is handed up or discarded, and counted.

use crate::{log, log_frame, registry::NetState, reorder::Frame, Session, Tunnel};
use net::{
    namespace::Namespace,
    rcu::Softirq,
    shared::Shared,
    skb::{Load, Reason, SkBuff},
    sock::{Family, AF_INET6},
    udp::{Encapsulation, SocketKey, Verdict},
};
use wire::{
    v2, v3,
    v3::{DefaultSublayer, L2Spec},
    MIN_UDP_FRAME,
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

    /// Merged are frames of Ethernet sessions that are good, without sequence numbers: each must keep its own. What is merged goes up
    /// even if the device would not have it merged any more.
    fn shared_header(
        ns: &Namespace,
        socket: SocketKey,
        start: &[u8],
        merged: bool,
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
            && (merged || session.pseudowire().may_merge(softirq));
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
    // Nobody merges packets of this protocol. A virtual machine can say that one is to be split all the same, at headers that are not there.
    if skb.is_gso() {
        return skb.discard(Reason::InvalidProtocol);
    }
    // Who has verified a checksum in a packet of this protocol cannot have been sure which one.
    skb.forget_verified_checksum();
    if family == AF_INET6 {
        skb.subtract_ipv6();
    }
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
pub(crate) enum Discard {
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
    pub(crate) fn discard(&self, skb: SkBuff, why: Discard, reason: Reason) {
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

    /// Counts a frame and hands it to the pseudowire.
    #[inline]
    pub(crate) fn deliver(self: &Shared<Self>, frame: Frame, softirq: Softirq<'_>) {
        let Frame { mut skb, load } = frame;
        self.count_delivered(&mut skb, load);
        self.pseudowire().receive(self, skb, load, softirq);
    }

    #[inline]
    pub(crate) fn count_delivered(&self, skb: &mut SkBuff, load: Load) {
        skb.orphan();
        self.tunnel().statistics.received(load);
        self.statistics.received(load);
    }
}
