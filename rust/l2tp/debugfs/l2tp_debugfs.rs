// SPDX-License-Identifier: GPL-2.0

//! Module l2tp_debugfs: `/sys/kernel/debug/l2tp/tunnels`, which lists the tunnels and sessions of the namespace of who opens it.
//!
//! - `records`: which tunnel or session comes next
//! - `show`: what is printed of each

#![crate_name = "l2tp_debugfs"]
#![forbid(unsafe_code)]

mod records;
mod show;

use kernel::prelude::*;
use net::debugfs::Dir;

net::module! {
    type: L2tpDebugfs,
    name: "l2tp_debugfs",
    authors: ["James Chapman <jchapman@katalix.com>"],
    description: "L2TP debugfs driver",
    license: "GPL",
}

/// The module: the directory exists as long as it is loaded.
struct L2tpDebugfs {
    _directory: Dir,
}

impl kernel::Module for L2tpDebugfs {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let directory = Dir::new(c"l2tp");
        directory.create_file::<records::Tunnels>(c"tunnels", 0o600);
        pr_info!("L2TP debugfs support\n");
        Ok(Self {
            _directory: directory,
        })
    }
}
