// SPDX-License-Identifier: GPL-2.0

//! `/proc/net/pppol2tp`: the L2TPv2 tunnels and their sessions. Scripts read it: the text is that of the C module.

use crate::{
    pseudowire::{
        show_interface,
        PppPseudowire, //
    },
    LocalModule,
};
use kernel::{
    seq_file::SeqFile,
    seq_print, //
};
use l2tp_core::{
    listing::{
        Position,
        Record, //
    },
    Session,
    Shared,
    Tunnel, //
};
use net::{
    namespace::Namespace,
    procfs::{
        NetFile,
        NetRecords, //
    },
    rcu,
    seq_file::Records,
    sock::Addresses, //
};

pub(crate) static FILE: NetFile<Sessions> = NetFile::new(c"pppol2tp", 0o444);

/// The records of the file.
pub(crate) struct Sessions;

impl NetRecords for Sessions {
    fn file() -> &'static NetFile<Self> {
        &FILE
    }
}

impl Records for Sessions {
    type OwnerModule = LocalModule;
    type Position = Position;
    type Record = Record;

    fn header(m: &SeqFile) {
        seq_print!(
            m,
            "PPPoL2TP driver info, V2.0\n\
             TUNNEL name, user-data-ok session-count\n \
             debug tx-pkts/bytes/errs rx-pkts/bytes/errs\n  \
             SESSION name, addr/port src-tid/sid dest-tid/sid state user-data-ok\n   \
             mtu/mru/rcvseq/sendseq/lns debug reorderto\n   \
             nr/ns tx-pkts/bytes/errs rx-pkts/bytes/errs\n"
        );
    }

    fn find(ns: &Namespace, position: Position) -> Option<(Record, Position)> {
        position.find(ns, |tunnel| tunnel.version() == 2)
    }

    fn show(record: &Record, m: &SeqFile) {
        match record {
            Record::Tunnel(tunnel) => show_tunnel(tunnel, m),
            Record::Session(session) => show_session(session, m),
        }
    }
}

fn show_tunnel(tunnel: &Shared<Tunnel>, m: &SeqFile) {
    // The C module prints references: one for the tunnel itself and one for each session, that of id 0 included.
    let users = tunnel
        .session_count()
        .saturating_add(usize::from(tunnel.session(0).is_some()))
        .saturating_add(1);
    seq_print!(m, "\nTUNNEL '{}', Y {}\n", tunnel.name(), users);
    let stats = tunnel.stats();
    seq_print!(m, " {:08x} {} {}\n", tunnel.debug(), stats.tx(), stats.rx());
}

fn show_session(session: &Shared<Session>, m: &SeqFile) {
    let tunnel = session.tunnel();
    let port = match tunnel.addresses() {
        Addresses::V4(ends) => ends.local_port,
        Addresses::V6(ends) => ends.local_port,
        Addresses::Other => 0,
    };
    let guard = rcu::read_lock();
    let socket = session
        .pseudowire_as::<PppPseudowire>()
        .and_then(|pseudowire| pseudowire.socket(guard.read_side()));
    let (state, user_data_ok) = match socket {
        Some(socket) => {
            let attached = socket.session.get(guard.read_side());
            let ours = attached.is_some_and(|attached| core::ptr::eq(attached, session));
            (socket.state(), if ours { 'Y' } else { 'N' })
        }
        None => (0, 'N'),
    };
    seq_print!(
        m,
        "  SESSION '{}' {:08X}/{} {:04X}/{:04X} -> {:04X}/{:04X} {} {}\n",
        session.name(),
        u32::from_be_bytes(tunnel.socket().local_ipv4()),
        port,
        tunnel.id(),
        session.id(),
        tunnel.peer_id(),
        session.peer_id(),
        state,
        user_data_ok
    );
    seq_print!(
        m,
        "   0/0/{}/{}/{} {:08x} {}\n",
        if session.recv_seq() { 'R' } else { '-' },
        if session.send_seq() { 'S' } else { '-' },
        if session.lns_mode() { "LNS" } else { "LAC" },
        session.debug(),
        session.reorder_timeout_ms()
    );
    let stats = session.stats();
    seq_print!(
        m,
        "   {}/{} {} {}\n",
        session.nr(),
        session.ns(),
        stats.tx(),
        stats.rx()
    );
    if let Some(socket) = socket {
        show_interface(socket, m, guard.read_side());
    }
}
