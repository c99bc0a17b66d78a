// SPDX-License-Identifier: GPL-2.0

//! Room in front of packets, so that they need not be copied for the headers.

use crate::{Encap, Session};
use net::{sock::Addresses, udp};

/// Headroom in front of the IP header of a packet that an Ethernet driver received: `NET_SKB_PAD`, and its Ethernet header.
const FORWARDED: usize = 64 + 14;
/// Header and headroom together that a device can ask for so that 64 bytes are reserved (`LL_RESERVED_SPACE()`).
const MOST_IN_64: usize = 63;
/// What a device below the tunnel wants for its header, if the route is not known.
const LINK_HEADROOM: usize = 16;

impl Session {
    /// Bytes that L2TP, UDP and IP put in front of a frame of this session, at most. Options of IP come to that.
    fn overhead(&self) -> usize {
        let tunnel = self.tunnel();
        let encap = match tunnel.encap() {
            Encap::Udp => udp::HEADER_LEN,
            Encap::Ip => 0,
        };
        let ip = match tunnel.addresses() {
            Addresses::V6(ends) if !is_mapped(&ends.peer) => 40,
            _ => 20,
        };
        self.template
            .len(true)
            .saturating_add(encap)
            .saturating_add(ip)
    }

    /// Bytes of headroom, beyond its own header of `header` bytes, that a device should ask for if it puts `prefix` bytes in front of
    /// what it hands to this session.
    ///
    /// The kernel rounds up what it reserves to a multiple of 16; a forwarded packet has 78 bytes in front of its IP header. If the
    /// headers fit in there, no more than the next lower multiple is asked for, else every forwarded packet would be copied for
    /// nothing.
    pub fn headroom(&self, header: usize, prefix: usize) -> u16 {
        let link = self
            .tunnel()
            .socket()
            .route()
            .map_or(LINK_HEADROOM, |route| route.link_headroom as usize);
        let needed = self.overhead().saturating_add(prefix).saturating_add(link);
        let asked = if needed.saturating_add(header) <= FORWARDED {
            needed.min(MOST_IN_64.saturating_sub(header))
        } else {
            needed
        };
        u16::try_from(asked).unwrap_or(u16::MAX)
    }
}

/// Whether an IPv6 address stands for one of IPv4.
fn is_mapped(address: &[u8; 16]) -> bool {
    address.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff])
}
