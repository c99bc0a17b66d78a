// SPDX-License-Identifier: GPL-2.0

//! The order in which files list tunnels and sessions: each tunnel in ascending order of ids, followed by its sessions in
//! ascending order of theirs.

use crate::{NetState, RcuArc, Session, Tunnel};
use net::namespace::Namespace;

/// A tunnel or a session, kept while it is printed.
pub enum Record {
    /// A tunnel.
    Tunnel(RcuArc<Tunnel>),
    /// A session of the tunnel that was last.
    Session(RcuArc<Session>),
}

/// Where to look for the next record.
#[derive(Clone, Copy)]
pub enum Position {
    /// At the first tunnel with this id or a higher one.
    Tunnel(u32),
    /// At the first session with this key or a higher one of this tunnel; then at the next tunnel.
    Session {
        /// Id of the tunnel.
        tunnel: u32,
        /// The least key.
        from: u32,
    },
    /// After the last possible tunnel.
    End,
}

impl Default for Position {
    fn default() -> Self {
        Self::Tunnel(0)
    }
}

impl Position {
    fn after_session(tunnel: u32, key: u32) -> Self {
        match key.checked_add(1) {
            Some(from) => Self::Session { tunnel, from },
            None => tunnel.checked_add(1).map_or(Self::End, Self::Tunnel),
        }
    }

    /// The first record at or after this position, and the position after that; of the tunnels only those that are `listed`.
    pub fn find(
        self,
        ns: &Namespace,
        listed: impl Fn(&Tunnel) -> bool,
    ) -> Option<(Record, Position)> {
        let state = NetState::of(ns).ok()?;
        let mut from = match self {
            Self::Tunnel(from) => from,
            Self::Session { tunnel, from } => {
                if let Some(session) = state.tunnel(tunnel).and_then(|t| next_session(&t, from)) {
                    let next = Self::after_session(tunnel, session.key());
                    return Some((Record::Session(session), next));
                }
                tunnel.checked_add(1)?
            }
            Self::End => return None,
        };
        loop {
            let tunnel = state.next_tunnel(from)?;
            if listed(&tunnel) {
                let next = Self::Session {
                    tunnel: tunnel.id(),
                    from: 0,
                };
                return Some((Record::Tunnel(tunnel), next));
            }
            from = tunnel.id().checked_add(1)?;
        }
    }
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
