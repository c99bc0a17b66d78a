// SPDX-License-Identifier: GPL-2.0

//! The L2TP core: tunnels and sessions, their lookup, transmission and reception, and their end.
//!
//! The core knows no pseudowire by name: a session has a [`Pseudowire`], which another module provides. L2TPv2 is RFC 2661,
//! L2TPv3 RFC 3931.

#![crate_name = "l2tp_core"]
#![forbid(unsafe_code)]

mod config;
mod headroom;
pub mod listing;
pub mod log;
mod name;
mod pseudowire;
mod receive;
mod registry;
mod reorder;
mod sequencing;
mod session;
mod stats;
mod trace;
mod transmit;
mod tunnel;

pub use config::{Encap, Endpoint, PwType, SessionConfig, TunnelConfig, TunnelSocket};
pub use name::{IfName, Name};
pub use net::shared::{RcuArc, Shared};
pub use pseudowire::Pseudowire;
pub use receive::{receive_ip, socket_closed};
pub use registry::NetState;
pub use session::Session;
pub use stats::Stats;
pub use tunnel::Tunnel;

use kernel::prelude::*;
use net::{namespace::PernetRegistration, rcu::CallbackBarrier, workqueue::WorkQueueRegistration};

net::module! {
    type: L2tpCore,
    name: "l2tp_core",
    authors: ["James Chapman <jchapman@katalix.com>"],
    description: "L2TP core",
    license: "GPL",
}

/// The module. Fields are dropped in this order.
struct L2tpCore {
    /// Deletes all tunnels of all namespaces.
    _state: PernetRegistration<NetState>,
    /// Waits for those who close what the namespaces have left.
    _reapers: WorkQueueRegistration,
    /// A session is freed by an RCU callback, and may take its tunnel with it, which is freed by another.
    _callbacks: CallbackBarrier<2>,
}

impl kernel::Module for L2tpCore {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let reapers = registry::REAPERS.create(c"l2tp")?;
        let state = registry::STATE.register()?;
        pr_info!("L2TP core driver, V2.0\n");
        Ok(Self {
            _state: state,
            _reapers: reapers,
            _callbacks: CallbackBarrier,
        })
    }
}
