// SPDX-License-Identifier: GPL-2.0

//! Listing all tunnels, or all sessions of all tunnels, of a namespace.
//!
//! A dump takes several calls, between which tunnels and sessions come and go. It goes by ids, in ascending order, and holds
//! nothing between calls: what is deleted meanwhile is left out.

use crate::{
    family::command,
    message, //
};
use kernel::prelude::*;
use l2tp_core::NetState;
use net::genl::{
    Dump,
    DumpRequest, //
};

/// An id (or a session's key) to go on from, if there are any left. The initial value, all zeroes, is before all.
#[derive(Clone, Copy, Zeroable)]
pub(crate) struct Position {
    next: u32,
    exhausted: bool,
}

impl Position {
    const START: Self = Self {
        next: 0,
        exhausted: false,
    };

    /// The lowest id that is yet to come.
    fn from(&self) -> Option<u32> {
        (!self.exhausted).then_some(self.next)
    }

    /// The position of this id.
    fn at(id: u32) -> Self {
        Self {
            next: id,
            exhausted: false,
        }
    }

    /// The position after this id.
    fn after(id: u32) -> Self {
        match id.checked_add(1) {
            Some(next) => Self::at(next),
            None => Self {
                next: 0,
                exhausted: true,
            },
        }
    }
}

/// `L2TP_CMD_TUNNEL_GET`, all tunnels.
pub(crate) struct Tunnels;

impl Dump for Tunnels {
    type Cursor = Position;

    fn dump(request: &mut DumpRequest<'_>, cursor: &mut Position) -> Result {
        let state = NetState::of(request.namespace())?;
        while let Some(tunnel) = cursor.from().and_then(|id| state.next_tunnel(id)) {
            request.entry(command::TUNNEL_GET, |m| message::tunnel(m, &tunnel))?;
            *cursor = Position::after(tunnel.id());
        }
        Ok(())
    }
}

/// Where a dump of sessions is: in which tunnel, and where among its sessions.
#[derive(Clone, Copy, Zeroable)]
pub(crate) struct SessionCursor {
    tunnel: Position,
    session: Position,
}

/// `L2TP_CMD_SESSION_GET`, all sessions.
pub(crate) struct Sessions;

impl Dump for Sessions {
    type Cursor = SessionCursor;

    fn dump(request: &mut DumpRequest<'_>, cursor: &mut SessionCursor) -> Result {
        let state = NetState::of(request.namespace())?;
        while let Some(tunnel) = cursor.tunnel.from().and_then(|id| state.next_tunnel(id)) {
            if cursor.tunnel.from() != Some(tunnel.id()) {
                // Another one than before: that one is finished, or was deleted.
                *cursor = SessionCursor {
                    tunnel: Position::at(tunnel.id()),
                    session: Position::START,
                };
            }
            while let Some(session) = cursor
                .session
                .from()
                .and_then(|key| tunnel.next_session(key))
            {
                // Id 0 of version 2 is not a session, but the tunnel's own.
                if tunnel.version() != 2 || session.id() != 0 {
                    request.entry(command::SESSION_GET, |m| message::session(m, &session))?;
                }
                cursor.session = Position::after(session.key());
            }
            *cursor = SessionCursor {
                tunnel: Position::after(tunnel.id()),
                session: Position::START,
            };
        }
        Ok(())
    }
}
