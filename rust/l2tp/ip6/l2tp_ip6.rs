// SPDX-License-Identifier: GPL-2.0

//! Module l2tp_ip6: L2TPv3 directly over IPv6. It is module l2tp_ip for another family, which is in `ipv6`.

#![crate_name = "l2tp_ip6"]
#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod ipv6;

use ipv6::Ipv6;
use kernel::prelude::*;
use l2tp_ip::{ControlSocket, Family};
use net::inet_socket::Registration;

net::module! {
    type: L2tpIp6,
    name: "l2tp_ip6",
    authors: ["Chris Elston <celston@katalix.com>"],
    description: "L2TP IP encapsulation for IPv6",
    license: "GPL",
    // The protocol of a datagram socket (type 2) of AF_INET6 (10).
    alias: ["net-pf-10-proto-115-type-2", "net-pf-10-proto-115"],
}

/// The module.
struct L2tpIp6 {
    _protocol: Registration<ControlSocket<Ipv6>>,
}

impl kernel::Module for L2tpIp6 {
    fn init(module: &'static ThisModule) -> Result<Self> {
        pr_info!("L2TP IP encapsulation support for IPv6 (L2TPv3)\n");
        Ok(Self {
            _protocol: Ipv6::tables().register(module)?,
        })
    }
}
