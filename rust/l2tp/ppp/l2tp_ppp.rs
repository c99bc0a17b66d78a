// SPDX-License-Identifier: GPL-2.0

//! Module l2tp_ppp: the PPP pseudowire, of L2TPv2 (RFC 2661) and L2TPv3 (RFC 3931).
//!
//! A session gets its PPP channel from a socket that is attached to it: `socket(AF_PPPOX, SOCK_DGRAM, PX_PROTO_OL2TP)` and
//! `connect()`. A socket that is connected with both session ids 0 manages the tunnel instead.
//!
//! - `socket`: the socket, and what it sends
//! - `address`: the four kinds of socket addresses
//! - `connect`: which tunnel and session a socket is attached to
//! - `options`, `ioctl`: the socket's options and ioctls
//! - `pseudowire`: the session's side: frames from the tunnel to the socket
//! - `create`: sessions that netlink asks for
//! - `proc`: `/proc/net/pppol2tp`

#![crate_name = "l2tp_ppp"]
#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod address;
mod connect;
mod create;
mod ioctl;
mod options;
mod proc;
mod pseudowire;
mod socket;

use kernel::prelude::*;
use l2tp_core::PwType;
use net::{
    pppox,
    procfs,
    rcu::CallbackBarrier, //
};

net::module! {
    type: L2tpPpp,
    name: "l2tp_ppp",
    authors: ["James Chapman <jchapman@katalix.com>"],
    description: "PPP over L2TP over UDP",
    license: "GPL",
    alias: ["net-pf-24-proto-1", "net-l2tp-type-7"],
}

/// The module. Fields are dropped in this order.
struct L2tpPpp {
    _operations: l2tp_netlink::Registration,
    _protocol: pppox::Registration<socket::PppoL2tp>,
    _file: procfs::NetFileRegistration<proc::Sessions>,
    /// Sockets and sessions keep the module loaded until RCU callbacks free them, and that is our code: a socket first, then the
    /// session that it may have held.
    _callbacks: CallbackBarrier<2>,
}

impl kernel::Module for L2tpPpp {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let file = proc::FILE.register()?;
        let protocol = socket::PROTOCOL.register()?;
        let operations = l2tp_netlink::register(PwType::PPP, &create::Ppp, module)?;
        pr_info!("PPPoL2TP kernel driver, V2.0\n");
        Ok(Self {
            _operations: operations,
            _protocol: protocol,
            _file: file,
            _callbacks: CallbackBarrier,
        })
    }
}
