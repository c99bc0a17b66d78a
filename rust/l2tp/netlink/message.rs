// SPDX-License-Identifier: GPL-2.0

//! What a tunnel or a session looks like in replies, dump entries and notifications.
//!
//! Which attributes there are, and their order, is what user space knows: `ip l2tp` keeps values of the entry before if one is
//! missing.

use crate::attributes::{
    self as attr,
    stats, //
};
use kernel::prelude::*;
use l2tp_core::{
    Encap,
    Session,
    Stats,
    Tunnel, //
};
use net::{
    netlink::AttributeWriter,
    sock::{
        Addresses,
        Endpoints, //
    },
};

/// Writes a tunnel.
pub(crate) fn tunnel(m: &mut AttributeWriter<'_>, tunnel: &Tunnel) -> Result {
    m.put_u8(attr::PROTO_VERSION, tunnel.version())?;
    m.put_u32(attr::CONN_ID, tunnel.id())?;
    m.put_u32(attr::PEER_CONN_ID, tunnel.peer_id())?;
    m.put_u32(attr::DEBUG, tunnel.debug())?;
    m.put_u16(attr::ENCAP_TYPE, tunnel.encap() as u16)?;
    counters(m, &tunnel.stats())?;
    addresses(m, tunnel)
}

/// Writes where the socket of a tunnel is bound and connected to now.
fn addresses(m: &mut AttributeWriter<'_>, tunnel: &Tunnel) -> Result {
    let udp = tunnel.encap() == Encap::Udp;
    match tunnel.addresses() {
        Addresses::V4(ends) => {
            if udp {
                let checksums = !tunnel.socket().no_checksum_tx();
                m.put_u8(attr::UDP_CSUM, u8::from(checksums))?;
                ports(m, &ends)?;
            }
            m.put(attr::IP_SADDR, &ends.local)?;
            m.put(attr::IP_DADDR, &ends.peer)
        }
        Addresses::V6(ends) => {
            if udp {
                let (no_checksum_tx, no_checksum_rx) = tunnel.socket().no_checksum6();
                if no_checksum_tx {
                    m.put_flag(attr::UDP_ZERO_CSUM6_TX)?;
                }
                if no_checksum_rx {
                    m.put_flag(attr::UDP_ZERO_CSUM6_RX)?;
                }
                ports(m, &ends)?;
            }
            m.put(attr::IP6_SADDR, &ends.local)?;
            m.put(attr::IP6_DADDR, &ends.peer)
        }
        // No tunnel has such a socket.
        Addresses::Other => Ok(()),
    }
}

/// Writes UDP ports.
fn ports<A>(m: &mut AttributeWriter<'_>, ends: &Endpoints<A>) -> Result {
    m.put_u16(attr::UDP_SPORT, ends.local_port)?;
    m.put_u16(attr::UDP_DPORT, ends.peer_port)
}

/// Writes a session.
pub(crate) fn session(m: &mut AttributeWriter<'_>, session: &Session) -> Result {
    let tunnel = session.tunnel();
    m.put_u32(attr::CONN_ID, tunnel.id())?;
    m.put_u32(attr::SESSION_ID, session.id())?;
    m.put_u32(attr::PEER_CONN_ID, tunnel.peer_id())?;
    m.put_u32(attr::PEER_SESSION_ID, session.peer_id())?;
    m.put_u32(attr::DEBUG, session.debug())?;
    m.put_u16(attr::PW_TYPE, session.pw_type().0)?;
    string(m, attr::IFNAME, session.ifname().as_bytes())?;
    cookie(m, attr::COOKIE, &session.cookie())?;
    cookie(m, attr::PEER_COOKIE, session.peer_cookie())?;
    m.put_u8(attr::RECV_SEQ, u8::from(session.recv_seq()))?;
    m.put_u8(attr::SEND_SEQ, u8::from(session.send_seq()))?;
    m.put_u8(attr::LNS_MODE, u8::from(session.lns_mode()))?;
    if tunnel.socket().has_ipsec_policy() {
        m.put_u8(attr::USING_IPSEC, 1)?;
    }
    match session.reorder_timeout_ms() {
        0 => {}
        timeout => m.put_u64(attr::RECV_TIMEOUT, timeout.into(), attr::PAD)?,
    }
    counters(m, &session.stats())
}

/// Writes a string with its NUL, unless it is empty.
fn string(m: &mut AttributeWriter<'_>, attribute: u16, value: &[u8]) -> Result {
    if value.is_empty() {
        return Ok(());
    }
    m.put_string(attribute, value)
}

/// Writes a cookie, unless there is none.
fn cookie(m: &mut AttributeWriter<'_>, attribute: u16, cookie: &wire::Cookie) -> Result {
    if cookie.is_empty() {
        return Ok(());
    }
    m.put(attribute, cookie.as_bytes())
}

/// Writes counters. Discarded cookies come before what their numbers suggest.
fn counters(m: &mut AttributeWriter<'_>, counters: &Stats) -> Result {
    m.put_nest_noflag(attr::STATS, |m| {
        for (attribute, value) in [
            (stats::TX_PACKETS, counters.tx_packets),
            (stats::TX_BYTES, counters.tx_bytes),
            (stats::TX_ERRORS, counters.tx_errors),
            (stats::RX_PACKETS, counters.rx_packets),
            (stats::RX_BYTES, counters.rx_bytes),
            (stats::RX_SEQ_DISCARDS, counters.rx_seq_discards),
            (stats::RX_COOKIE_DISCARDS, counters.rx_cookie_discards),
            (stats::RX_OOS_PACKETS, counters.rx_oos_packets),
            (stats::RX_ERRORS, counters.rx_errors),
            (stats::RX_INVALID, counters.rx_invalid),
        ] {
            m.put_u64(attribute, value, stats::PAD)?;
        }
        Ok(())
    })
}
