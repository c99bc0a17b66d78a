// SPDX-License-Identifier: GPL-2.0

//! Module l2tp_eth: the Ethernet pseudowire (RFC 4719, port mode). Each session has a network device.
//!
//! - `create`: making a session with its device, on request by netlink
//! - `pseudowire`: frames from the tunnel to the device
//! - `interface`: frames from the device to the tunnel

#![crate_name = "l2tp_eth"]
#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod create;
mod interface;
mod pseudowire;

use kernel::prelude::*;
use l2tp_core::PwType;
use net::rcu::CallbackBarrier;

net::module! {
    type: L2tpEth,
    name: "l2tp_eth",
    authors: ["James Chapman <jchapman@katalix.com>"],
    description: "L2TP ethernet pseudowire driver",
    license: "GPL",
    alias: ["net-l2tp-type-5"],
}

/// The module. Fields are dropped in this order.
struct L2tpEth {
    _operations: l2tp_netlink::Registration,
    /// Sessions keep the module loaded until an RCU callback frees them, and that is our code.
    _callbacks: CallbackBarrier<1>,
}

impl kernel::Module for L2tpEth {
    fn init(module: &'static ThisModule) -> Result<Self> {
        let operations = l2tp_netlink::register(PwType::ETH, &create::Ethernet, module)?;
        pr_info!("L2TP ethernet pseudowire support (L2TPv3)\n");
        Ok(Self {
            _operations: operations,
            _callbacks: CallbackBarrier,
        })
    }
}
