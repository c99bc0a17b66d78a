// SPDX-License-Identifier: GPL-2.0

//! Module l2tp_ip: L2TPv3 directly over IPv4 (RFC 3931 section 4.1.1), and what l2tp_ip6 has in common with it.
//!
//! Packets of IP protocol 115 start with a session id. Those of a session go to it, without a socket having to do with it. The
//! session id 0 marks control messages, which user space sends and receives through sockets of this protocol.
//!
//! - `family`: what differs between IPv4 and IPv6; `ipv4` is one of the two
//! - `socket`: sockets for control messages, whichever the family
//! - `receive`: packets, whichever the family

#![crate_name = "l2tp_ip"]
#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod family;
mod ipv4;
mod receive;
mod socket;

pub use family::{field, Family};
pub use socket::{enter, ControlSocket, Ids, Socket, Target, CONTROL};

use ipv4::Ipv4;
use kernel::prelude::*;
use net::inet_socket::Registration;

net::module! {
    type: L2tpIp,
    name: "l2tp_ip",
    authors: ["James Chapman <jchapman@katalix.com>"],
    description: "L2TP over IP",
    license: "GPL",
    // The protocol of a datagram socket (type 2) of AF_INET (2).
    alias: ["net-pf-2-proto-115-type-2", "net-pf-2-proto-115"],
}

/// The module.
struct L2tpIp {
    _protocol: Registration<ControlSocket<Ipv4>>,
}

impl kernel::Module for L2tpIp {
    fn init(module: &'static ThisModule) -> Result<Self> {
        pr_info!("L2TP IP encapsulation support (L2TPv3)\n");
        Ok(Self {
            _protocol: Ipv4::tables().register(module)?,
        })
    }
}
