// SPDX-License-Identifier: GPL-2.0

//! Attribute numbers, `L2TP_ATTR_*`, and what the kernel requires of attributes in requests.
//!
//! Source: `include/uapi/linux/l2tp.h`. Integers are in host order, ports included; IPv4 addresses are in network order.

use net::netlink::{
    AttributePolicy,
    Policy, //
};

/// u16, pseudowire type.
pub(crate) const PW_TYPE: u16 = 1;
/// u16, encapsulation: 0 UDP, 1 IP.
pub(crate) const ENCAP_TYPE: u16 = 2;
/// u16, ignored.
const OFFSET: u16 = 3;
/// u8, ignored.
const DATA_SEQ: u16 = 4;
/// u8, L2-specific sublayer: 0 none, 1 default.
pub(crate) const L2SPEC_TYPE: u16 = 5;
/// u8, ignored.
const L2SPEC_LEN: u16 = 6;
/// u8, protocol version of a tunnel.
pub(crate) const PROTO_VERSION: u16 = 7;
/// String, network device of a session.
pub(crate) const IFNAME: u16 = 8;
/// u32, tunnel id.
pub(crate) const CONN_ID: u16 = 9;
/// u32, the peer's tunnel id.
pub(crate) const PEER_CONN_ID: u16 = 10;
/// u32, session id.
pub(crate) const SESSION_ID: u16 = 11;
/// u32, the peer's session id.
pub(crate) const PEER_SESSION_ID: u16 = 12;
/// u8, in requests present or not: UDP checksums over IPv4.
pub(crate) const UDP_CSUM: u16 = 13;
/// u16, ignored.
const VLAN_ID: u16 = 14;
/// Up to 8 bytes, cookie that is sent.
pub(crate) const COOKIE: u16 = 15;
/// Up to 8 bytes, cookie that received messages must have.
pub(crate) const PEER_COOKIE: u16 = 16;
/// u32, which messages to log.
pub(crate) const DEBUG: u16 = 17;
/// u8, bit 0: received messages must have sequence numbers.
pub(crate) const RECV_SEQ: u16 = 18;
/// u8, bit 0: sent messages have sequence numbers.
pub(crate) const SEND_SEQ: u16 = 19;
/// u8, bit 0: decides about sequence numbers, instead of the peer.
pub(crate) const LNS_MODE: u16 = 20;
/// u8, only in messages, only 1: the tunnel socket has an IPsec policy.
pub(crate) const USING_IPSEC: u16 = 21;
/// u64, milliseconds that a message waits for those before it.
pub(crate) const RECV_TIMEOUT: u16 = 22;
/// u32, really a C int: the socket of a managed tunnel.
pub(crate) const FD: u16 = 23;
/// 4 bytes, local IPv4 address.
pub(crate) const IP_SADDR: u16 = 24;
/// 4 bytes, the peer's IPv4 address.
pub(crate) const IP_DADDR: u16 = 25;
/// u16, local UDP port.
pub(crate) const UDP_SPORT: u16 = 26;
/// u16, the peer's UDP port.
pub(crate) const UDP_DPORT: u16 = 27;
/// u16, ignored.
const MTU: u16 = 28;
/// u16, ignored.
const MRU: u16 = 29;
/// Nested, see [`stats`].
pub(crate) const STATS: u16 = 30;
/// 16 bytes, local IPv6 address.
pub(crate) const IP6_SADDR: u16 = 31;
/// 16 bytes, the peer's IPv6 address.
pub(crate) const IP6_DADDR: u16 = 32;
/// Flag: UDP over IPv6 is sent without checksums.
pub(crate) const UDP_ZERO_CSUM6_TX: u16 = 33;
/// Flag: UDP over IPv6 may be received without checksums.
pub(crate) const UDP_ZERO_CSUM6_RX: u16 = 34;
/// Padding before u64 attributes.
pub(crate) const PAD: u16 = 35;

/// Number of attributes, with the unused number 0.
const COUNT: usize = PAD as usize + 1;

/// Counters in [`STATS`](super::STATS), all u64.
pub(crate) mod stats {
    pub(crate) const TX_PACKETS: u16 = 1;
    pub(crate) const TX_BYTES: u16 = 2;
    pub(crate) const TX_ERRORS: u16 = 3;
    pub(crate) const RX_PACKETS: u16 = 4;
    pub(crate) const RX_BYTES: u16 = 5;
    pub(crate) const RX_SEQ_DISCARDS: u16 = 6;
    pub(crate) const RX_OOS_PACKETS: u16 = 7;
    pub(crate) const RX_ERRORS: u16 = 8;
    /// Padding before u64 attributes.
    pub(crate) const PAD: u16 = 9;
    pub(crate) const RX_COOKIE_DISCARDS: u16 = 10;
    pub(crate) const RX_INVALID: u16 = 11;
}

/// Longest name of a network device, without NUL (`IFNAMSIZ - 1`).
const IFNAME_MAX: u16 = 15;

/// One policy for all commands. The zero-checksum flags are not in it, so that any payload passes; so it always was.
pub(crate) static POLICY: Policy<COUNT> = Policy::new()
    .with(PW_TYPE, AttributePolicy::U16)
    .with(ENCAP_TYPE, AttributePolicy::U16)
    .with(OFFSET, AttributePolicy::U16)
    .with(DATA_SEQ, AttributePolicy::U8)
    .with(L2SPEC_TYPE, AttributePolicy::U8)
    .with(L2SPEC_LEN, AttributePolicy::U8)
    .with(PROTO_VERSION, AttributePolicy::U8)
    .with(IFNAME, AttributePolicy::nul_string(IFNAME_MAX))
    .with(CONN_ID, AttributePolicy::U32)
    .with(PEER_CONN_ID, AttributePolicy::U32)
    .with(SESSION_ID, AttributePolicy::U32)
    .with(PEER_SESSION_ID, AttributePolicy::U32)
    .with(UDP_CSUM, AttributePolicy::U8)
    .with(VLAN_ID, AttributePolicy::U16)
    .with(
        COOKIE,
        AttributePolicy::binary(wire::cookie::MAX_LEN as u16),
    )
    .with(
        PEER_COOKIE,
        AttributePolicy::binary(wire::cookie::MAX_LEN as u16),
    )
    .with(DEBUG, AttributePolicy::U32)
    .with(RECV_SEQ, AttributePolicy::U8)
    .with(SEND_SEQ, AttributePolicy::U8)
    .with(LNS_MODE, AttributePolicy::U8)
    .with(USING_IPSEC, AttributePolicy::U8)
    .with(RECV_TIMEOUT, AttributePolicy::MSECS)
    .with(FD, AttributePolicy::U32)
    .with(IP_SADDR, AttributePolicy::U32)
    .with(IP_DADDR, AttributePolicy::U32)
    .with(UDP_SPORT, AttributePolicy::U16)
    .with(UDP_DPORT, AttributePolicy::U16)
    .with(MTU, AttributePolicy::U16)
    .with(MRU, AttributePolicy::U16)
    .with(STATS, AttributePolicy::NESTED)
    .with(IP6_SADDR, AttributePolicy::binary(16))
    .with(IP6_DADDR, AttributePolicy::binary(16));
