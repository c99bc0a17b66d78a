// SPDX-License-Identifier: GPL-2.0

//! Module l2tp_netlink: the generic netlink family `l2tp`, by which user space manages tunnels and sessions.
//!
//! - `family`: the family, its commands, its multicast group
//! - `attributes`: attribute numbers and what they must be like
//! - `tunnel`, `session`: the commands, in the order of their checks
//! - `dump`: listing all tunnels or sessions
//! - `message`: what replies, dump entries and notifications look like
//! - `registry`: who can create sessions of which pseudowire type

#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use kernel::prelude::*;
use net::rcu::CallbackBarrier;

mod attributes;
mod dump;
mod family;
mod message;
mod registry;
mod session;
mod tunnel;

pub use registry::{
    register,
    PseudowireOps,
    Registration, //
};

net::module! {
    type: L2tpNetlink,
    name: "l2tp_netlink",
    authors: ["James Chapman <jchapman@katalix.com>"],
    description: "L2TP netlink",
    license: "GPL",
    alias: ["net-pf-16-proto-16-family-l2tp"],
}

/// The module: the family is registered as long as it is loaded. Fields are dropped in this order.
struct L2tpNetlink {
    _family: net::genl::Registration,
    /// Who handles a request may hold the last reference of a session, which may hold that of its tunnel.
    _callbacks: CallbackBarrier<2>,
}

impl kernel::Module for L2tpNetlink {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("L2TP netlink interface\n");
        Ok(Self {
            _family: family::FAMILY.register()?,
            _callbacks: CallbackBarrier,
        })
    }
}
