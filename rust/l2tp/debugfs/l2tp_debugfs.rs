// SPDX-License-Identifier: GPL-2.0

//! Module l2tp_debugfs: `/sys/kernel/debug/l2tp/tunnels`, which lists the tunnels and sessions of the namespace of who opens it.
//! What is printed of each is in `show`.

#![crate_name = "l2tp_debugfs"]
#![forbid(unsafe_code)]

mod show;

use kernel::{
    prelude::*,
    seq_file::SeqFile, //
};
use l2tp_core::listing::{
    Position,
    Record, //
};
use net::{
    debugfs::Dir,
    namespace::Namespace,
    rcu::CallbackBarrier,
    seq_file::Records, //
};

net::module! {
    type: L2tpDebugfs,
    name: "l2tp_debugfs",
    authors: ["James Chapman <jchapman@katalix.com>"],
    description: "L2TP debugfs driver",
    license: "GPL",
}

/// The module: the directory exists as long as it is loaded. Fields are dropped in this order.
struct L2tpDebugfs {
    _directory: Dir,
    /// Who reads may hold the last reference of a session, which may hold that of its tunnel.
    _callbacks: CallbackBarrier<2>,
}

impl kernel::Module for L2tpDebugfs {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let directory = Dir::new(c"l2tp");
        directory.create_file::<Tunnels>(c"tunnels", 0o600);
        pr_info!("L2TP debugfs support\n");
        Ok(Self {
            _directory: directory,
            _callbacks: CallbackBarrier,
        })
    }
}

/// All tunnels and sessions of a namespace.
struct Tunnels;

impl Records for Tunnels {
    type OwnerModule = LocalModule;
    type Position = Position;
    type Record = Record;

    fn header(m: &SeqFile) {
        show::header(m);
    }

    fn find(ns: &Namespace, position: Position) -> Option<(Record, Position)> {
        position.find(ns, |_| true)
    }

    fn show(record: &Record, m: &SeqFile) {
        match record {
            Record::Tunnel(tunnel) => show::tunnel(tunnel, m),
            Record::Session(session) => show::session(session, m),
        }
    }
}
