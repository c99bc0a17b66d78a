// SPDX-License-Identifier: GPL-2.0

//! Module l2tp_kunit: KUnit tests of the crate `net`, for what needs a kernel but neither sockets nor packets on a wire.
//!
//! Built only for kernels with KUnit. Loading it runs the tests; results are in the log and in `/sys/kernel/debug/kunit`.

#![crate_name = "l2tp_kunit"]

use kernel::prelude::*;

mod buffers;
mod counters;
mod references;
mod table;

module! {
    type: L2tpKunit,
    name: "l2tp_kunit",
    description: "L2TP KUnit tests",
    license: "GPL",
}

/// The module has nothing but its tests.
struct L2tpKunit {
    /// Objects of the tests are freed by callbacks that are code of this module.
    _callbacks: net::rcu::CallbackBarrier<1>,
}

impl kernel::Module for L2tpKunit {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _callbacks: net::rcu::CallbackBarrier,
        })
    }
}
