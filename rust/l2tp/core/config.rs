// SPDX-License-Identifier: GPL-2.0

//! What tunnels and sessions are made from.

use crate::IfName;
use kernel::prelude::*;
use net::sock::Endpoints;
use wire::{v3::L2Spec, Cookie};

/// How a tunnel's packets are carried: `enum l2tp_encap_type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Encap {
    /// In UDP datagrams.
    Udp = 0,
    /// Directly in IP, protocol 115.
    Ip = 1,
}

impl TryFrom<u16> for Encap {
    type Error = Error;

    fn try_from(value: u16) -> Result<Self> {
        match value {
            0 => Ok(Self::Udp),
            1 => Ok(Self::Ip),
            _ => Err(EINVAL),
        }
    }
}

/// Type of a pseudowire: `enum l2tp_pwtype`, the numbers of the L2TPv3 Pseudowire Type AVP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PwType(pub u16);

impl PwType {
    /// Ethernet, one VLAN.
    pub const ETH_VLAN: Self = Self(4);
    /// Ethernet.
    pub const ETH: Self = Self(5);
    /// PPP.
    pub const PPP: Self = Self(7);
    /// PPP of an access concentrator.
    pub const PPP_AC: Self = Self(8);
    /// IP.
    pub const IP: Self = Self(11);
    /// The first number that is no type.
    pub const MAX: u16 = 12;

    /// The number.
    pub fn number(self) -> u16 {
        self.0
    }
}

/// Where the socket is bound and connected to that the kernel makes for an unmanaged tunnel.
///
/// Ports are for UDP; a peer's port of 0 leaves the socket unconnected.
#[derive(Clone, Copy, Debug)]
pub enum Endpoint {
    /// Over IPv4.
    V4 {
        /// Addresses and ports.
        ends: Endpoints<[u8; 4]>,
        /// Whether transmitted UDP datagrams carry checksums.
        udp_csum: bool,
    },
    /// Over IPv6.
    V6 {
        /// Addresses and ports.
        ends: Endpoints<[u8; 16]>,
        /// Whether transmitted UDP datagrams carry no checksum.
        zero_csum_tx: bool,
        /// Whether received UDP datagrams may lack a checksum.
        zero_csum_rx: bool,
    },
}

/// A tunnel to be made.
#[derive(Clone, Copy, Debug)]
pub struct TunnelConfig {
    /// Our connection id, unique in the namespace.
    pub id: u32,
    /// The peer's connection id.
    pub peer_id: u32,
    /// L2TP version: 2, 3, or a number that no packet matches.
    pub version: u8,
    /// Encapsulation.
    pub encap: Encap,
    /// The socket.
    pub socket: TunnelSocket,
    /// Mask of `L2TP_MSG_*`.
    pub debug: u32,
}

/// Where a tunnel gets its socket from.
#[derive(Clone, Copy, Debug)]
pub enum TunnelSocket {
    /// A managed tunnel: user space made it, and its descriptor in the calling task is this.
    Fd(c_int),
    /// An unmanaged tunnel: the kernel makes it.
    Kernel(Endpoint),
}

/// A session to be made.
#[derive(Clone, Copy, Debug)]
pub struct SessionConfig {
    /// Pseudowire type.
    pub pw_type: PwType,
    /// L2-specific sublayer. [`L2Spec::None`] for L2TPv2.
    pub l2spec: L2Spec,
    /// Cookie of transmitted frames.
    pub cookie: Cookie,
    /// Cookie that received frames must carry.
    pub peer_cookie: Cookie,
    /// Whether received frames must have sequence numbers.
    pub recv_seq: bool,
    /// Whether transmitted frames have sequence numbers.
    pub send_seq: bool,
    /// Whether this end decides about sequence numbers (LNS); a LAC follows its peer.
    pub lns_mode: bool,
    /// How long a frame waits for those before it, in milliseconds; 0 for no reordering.
    pub reorder_timeout_ms: u64,
    /// Mask of `L2TP_MSG_*`.
    pub debug: u32,
    /// Name for the network device, if the pseudowire has one.
    pub ifname: Option<IfName>,
}

impl SessionConfig {
    /// The configuration of a session that nothing is said about but its type.
    pub const fn new(pw_type: PwType) -> Self {
        Self {
            pw_type,
            l2spec: L2Spec::None,
            cookie: Cookie::NONE,
            peer_cookie: Cookie::NONE,
            recv_seq: false,
            send_seq: false,
            lns_mode: false,
            reorder_timeout_ms: 0,
            debug: 0,
            ifname: None,
        }
    }
}
