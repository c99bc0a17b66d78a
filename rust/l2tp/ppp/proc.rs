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
    fmt,
    seq_file::SeqFile,
    seq_print, //
};
use l2tp_core::{
    NetState,
    RcuArc,
    Session,
    Shared,
    Stats,
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

/// The records of the file: each tunnel in ascending order of ids, followed by its sessions in ascending order of theirs.
pub(crate) struct Sessions;

/// Where to look for the next record.
#[derive(Clone, Copy)]
pub(crate) enum Position {
    /// At the first tunnel with this id or a higher one.
    Tunnel(u32),
    /// At the first session with this id or a higher one of this tunnel; then at the next tunnel.
    Session { tunnel: u32, from: u32 },
    /// After the last possible tunnel.
    End,
}

impl Default for Position {
    fn default() -> Self {
        Self::Tunnel(0)
    }
}

/// A tunnel or a session, kept while it is printed.
pub(crate) enum Record {
    Tunnel(RcuArc<Tunnel>),
    Session(RcuArc<Session>),
}

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
        let state = NetState::of(ns).ok()?;
        let mut from = match position {
            Position::Tunnel(from) => from,
            Position::Session { tunnel, from } => {
                if let Some(session) = state.tunnel(tunnel).and_then(|t| t.next_session(from)) {
                    let next = match session.key().checked_add(1) {
                        Some(from) => Position::Session { tunnel, from },
                        None => tunnel
                            .checked_add(1)
                            .map_or(Position::End, Position::Tunnel),
                    };
                    return Some((Record::Session(session), next));
                }
                tunnel.checked_add(1)?
            }
            Position::End => return None,
        };
        loop {
            let tunnel = state.next_tunnel(from)?;
            if tunnel.version() == 2 {
                let next = Position::Session {
                    tunnel: tunnel.id(),
                    // Id 0 stands for the tunnel itself.
                    from: 1,
                };
                return Some((Record::Tunnel(tunnel), next));
            }
            from = tunnel.id().checked_add(1)?;
        }
    }

    fn show(record: &Record, m: &SeqFile) {
        match record {
            Record::Tunnel(tunnel) => show_tunnel(tunnel, m),
            Record::Session(session) => show_session(session, m),
        }
    }
}

/// Prints packets, bytes and errors of both directions.
struct Counters(Stats);

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = &self.0;
        write!(
            f,
            "{}/{}/{} {}/{}/{}",
            stats.tx_packets,
            stats.tx_bytes,
            stats.tx_errors,
            stats.rx_packets,
            stats.rx_bytes,
            stats.rx_errors
        )
    }
}

fn show_tunnel(tunnel: &Shared<Tunnel>, m: &SeqFile) {
    // The C module prints references: one for the tunnel itself and one for each session, that of id 0 included.
    let users = tunnel
        .session_count()
        .saturating_add(usize::from(tunnel.session(0).is_some()))
        .saturating_add(1);
    seq_print!(m, "\nTUNNEL '{}', Y {}\n", tunnel.name(), users);
    seq_print!(m, " {:08x} {}\n", tunnel.debug(), Counters(tunnel.stats()));
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
    seq_print!(
        m,
        "   {}/{} {}\n",
        session.nr(),
        session.ns(),
        Counters(session.stats())
    );
    if let Some(socket) = socket {
        show_interface(socket, m, guard.read_side());
    }
}
