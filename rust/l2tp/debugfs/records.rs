// SPDX-License-Identifier: GPL-2.0

//! The records of the file: each tunnel in ascending order of ids, followed by its sessions in ascending order of theirs.

use crate::{
    show,
    LocalModule, //
};
use kernel::seq_file::SeqFile;
use l2tp_core::{
    NetState,
    RcuArc,
    Session,
    Tunnel, //
};
use net::{
    namespace::Namespace,
    seq_file::Records, //
};

/// All tunnels and sessions of a namespace.
pub(crate) struct Tunnels;

/// Where to look for the next record.
#[derive(Clone, Copy)]
pub(crate) enum Position {
    /// At the first tunnel with this id or a higher one.
    Tunnel(u32),
    /// At the first session with this key or a higher one of this tunnel; then at the next tunnel.
    Session { tunnel: u32, from: u32 },
    /// After the last possible tunnel.
    End,
}

impl Default for Position {
    fn default() -> Self {
        Self::Tunnel(0)
    }
}

impl Position {
    /// After the session with this key of a tunnel.
    fn after_session(tunnel: u32, key: u32) -> Self {
        match key.checked_add(1) {
            Some(from) => Self::Session { tunnel, from },
            None => Self::after_tunnel(tunnel),
        }
    }

    /// After all sessions of a tunnel.
    fn after_tunnel(id: u32) -> Self {
        id.checked_add(1).map_or(Self::End, Self::Tunnel)
    }
}

/// A tunnel or a session, kept while it is printed.
pub(crate) enum Record {
    Tunnel(RcuArc<Tunnel>),
    Session(RcuArc<Session>),
}

/// The first session of a tunnel that is listed, from the key `from` on.
///
/// Id 0 of L2TPv2 stands for the tunnel itself in PPPoL2TP. Tunnels of other versions than 2 and 3 carry nothing.
fn next_session(tunnel: &Tunnel, mut from: u32) -> Option<RcuArc<Session>> {
    if !matches!(tunnel.version(), 2 | 3) {
        return None;
    }
    loop {
        let session = tunnel.next_session(from)?;
        if tunnel.version() != 2 || session.id() != 0 {
            return Some(session);
        }
        from = session.key().checked_add(1)?;
    }
}

impl Records for Tunnels {
    type OwnerModule = LocalModule;
    type Position = Position;
    type Record = Record;

    fn header(m: &SeqFile) {
        show::header(m);
    }

    fn find(ns: &Namespace, position: Position) -> Option<(Record, Position)> {
        let state = NetState::of(ns).ok()?;
        let from = match position {
            Position::Tunnel(from) => from,
            Position::Session { tunnel, from } => {
                if let Some(session) = state
                    .tunnel(tunnel)
                    .and_then(|tunnel| next_session(&tunnel, from))
                {
                    let next = Position::after_session(tunnel, session.key());
                    return Some((Record::Session(session), next));
                }
                tunnel.checked_add(1)?
            }
            Position::End => return None,
        };
        let tunnel = state.next_tunnel(from)?;
        let next = Position::Session {
            tunnel: tunnel.id(),
            from: 0,
        };
        Some((Record::Tunnel(tunnel), next))
    }

    fn show(record: &Record, m: &SeqFile) {
        match record {
            Record::Tunnel(tunnel) => show::tunnel(tunnel, m),
            Record::Session(session) => show::session(session, m),
        }
    }
}
