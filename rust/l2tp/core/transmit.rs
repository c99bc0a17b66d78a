// SPDX-License-Identifier: GPL-2.0

//! Transmission: from a pseudowire's payload to the IP layer.

use crate::{log, log_frame, trace, Encap, Session};
use net::{
    inet::{splits_tunnelled, Path},
    rcu::Softirq,
    skb::{Load, Reason, SkBuff},
    udp,
};
use wire::v2;

impl Session {
    /// Sends `prefix` and a payload to the peer, and counts them in session and tunnel.
    ///
    /// No lock is taken and nothing is queued: the packet is in the hands of the IP layer, or gone, when this returns.
    ///
    /// # Errors
    ///
    /// Why the packet was not sent. It is gone in any case.
    #[inline]
    pub fn transmit<const N: usize>(
        &self,
        prefix: [u8; N],
        skb: SkBuff,
        softirq: Softirq<'_>,
    ) -> Result<(), Reason> {
        let tunnel = self.tunnel();
        let packets = skb.load(0).packets;
        match self.encapsulate(prefix, skb, softirq) {
            Ok(load) => {
                self.statistics.transmitted(load);
                tunnel.statistics.transmitted(load);
                Ok(())
            }
            Err(reason) => {
                self.count_refused(packets);
                Err(reason)
            }
        }
    }

    /// Counts packets that could not be sent, in session and tunnel. [`Session::transmit`] does it itself.
    pub fn count_refused(&self, packets: u32) {
        self.statistics.tx_errors.add(packets.into());
        self.tunnel().statistics.tx_errors.add(packets.into());
    }

    /// Whether an Ethernet frame that is to be split into several can go into the tunnel as it is. If not, it must be split before
    /// [`Session::transmit`]. `trusted` tells that whoever is at the other end of a link inside of this machine can split it.
    ///
    /// Who splits it copies our headers to each part: they must not have sequence numbers. The Linux kernel knows how to do that
    /// for packets in UDP. The IP identifications of the parts must differ, since they may be fragmented.
    pub fn takes_unsplit(&self, skb: &SkBuff, trusted: bool, softirq: Softirq<'_>) -> bool {
        /// Bytes of all headers that can be put in front.
        const HEADERS: usize = 128;

        self.tunnel().encap() == Encap::Udp
            && !self.is_sequencing()
            && !skb.is_encapsulated()
            && !skb.has_fixed_id()
            && skb.len() <= 0xffff - HEADERS
            && splits_tunnelled(
                self.tunnel().socket(),
                skb.longest_part().wrapping_add(self.template.len(false)),
                trusted,
                softirq,
            )
    }

    /// Whether frames are sent with sequence numbers.
    #[inline]
    fn is_sequencing(&self) -> bool {
        self.send_seq() && self.template.carries_sequence()
    }

    /// Puts the headers and `prefix` in front of a payload and sends it. Returns what it counts as, with the L2TP header.
    #[inline]
    fn encapsulate<const N: usize>(
        &self,
        prefix: [u8; N],
        mut skb: SkBuff,
        softirq: Softirq<'_>,
    ) -> Result<Load, Reason> {
        let tunnel = self.tunnel();
        let socket = tunnel.socket();
        // Read once: a number, the space for it, and the flag that says so belong together.
        // Who has changed the flag since a packet was let through unsplit may see that without numbers.
        let sequenced = self.is_sequencing() && !skb.is_gso();
        let ns = if sequenced {
            let ns = self.take_ns();
            trace::session_seqnum_update(self.tunnel().id(), self.id(), self.ns(), 0);
            Some(ns)
        } else {
            None
        };
        let discard = |skb: SkBuff, reason| {
            skb.discard(reason);
            Err(reason)
        };

        // Its user may have disconnected a socket; the kernel's own are connected if they have a peer at all.
        if tunnel.is_managed() && !socket.is_connected() {
            return discard(skb, Reason::NotConnected);
        }
        // A reference: the path is used where it was made, and not copied.
        let mut path = Path::of(socket, softirq);
        let path = match &mut path {
            Ok(path) => path,
            Err(reason) => return discard(skb, *reason),
        };
        if path.leads_back(&skb) || net::netdev::is_nested_deep(softirq) {
            return discard(skb, Reason::Recursion);
        }

        let header_len = self.template.len(sequenced);
        let encap_len = match tunnel.encap() {
            Encap::Udp => udp::HEADER_LEN,
            Encap::Ip => 0,
        };
        let headroom = path
            .headroom()
            .wrapping_add(encap_len)
            .wrapping_add(header_len)
            .wrapping_add(N);
        if skb.cow_head(headroom).is_err() {
            return discard(skb, Reason::NoMemory);
        }
        if N > 0 {
            match skb.push(N) {
                Some(start) => start.copy_from_slice(&prefix),
                None => return discard(skb, Reason::NoMemory),
            }
        }
        let load = skb.load(header_len);
        match skb.push(header_len) {
            Some(header) => {
                self.template.write(header, ns);
                if tunnel.version() == 2 {
                    // Maybe the tunnel has learned it since this session was made.
                    // CAST: 16 bits are sent.
                    v2::set_tunnel_id(header, tunnel.peer_id() as u16);
                }
            }
            None => return discard(skb, Reason::NoMemory),
        }
        skb.clear_cb();
        if !skb.is_gso() {
            skb.forget_offloads();
        }
        skb.reset_conntrack();
        if log::masks::is_enabled() {
            self.log_transmitted(&skb, ns);
        }
        match tunnel.encap() {
            Encap::Udp => path.send_udp(skb)?,
            Encap::Ip => {
                skb.reset_transport_header();
                path.send_ip(skb)?;
            }
        }
        Ok(load)
    }

    #[cold]
    fn log_transmitted(&self, skb: &SkBuff, ns: Option<u32>) {
        let len = skb.len();
        match ns {
            Some(ns) => log!(self, Data, debug, "{}: send {} bytes, ns={}\n", len, ns),
            None => log!(self, Data, debug, "{}: send {} bytes\n", len),
        }
        log_frame!(self, "{}: xmit\n", skb.data());
    }
}
