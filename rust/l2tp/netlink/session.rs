// SPDX-License-Identifier: GPL-2.0

//! The session commands: create, delete, modify, get.

use crate::{
    attributes as attr,
    family::{
        command,
        NOTIFICATIONS, //
    },
    message, registry,
};
use kernel::prelude::*;
use l2tp_core::{
    IfName,
    NetState,
    PwType,
    Session,
    SessionConfig,
    Tunnel, //
};
use net::{
    error::EPROTONOSUPPORT,
    genl::{
        Command,
        Request,
        NLM_F_ACK, //
    },
    shared::RcuArc,
};
use wire::{
    v3::L2Spec,
    Cookie, //
};

/// Tells the multicast group. That this fails is no reason for the request to fail.
fn notify(request: &Request<'_>, command: u8, session: &Session) {
    let _ = request.notify(NLM_F_ACK, command, NOTIFICATIONS, |m| {
        message::session(m, session)
    });
}

/// The session that a request names: by its network device, else by tunnel id and session id.
///
/// Whatever is missing or not found, the error is `ENODEV`.
fn find(request: &Request<'_>) -> Result<RcuArc<Session>> {
    let attributes = request.attributes();
    let state = NetState::of(request.namespace())?;
    let session = if let Some(name) = attributes.get(attr::IFNAME) {
        let name = name.c_str().ok_or(ENODEV)?;
        state.session_by_ifname(name.to_bytes())
    } else {
        let session_id = attributes.u32(attr::SESSION_ID).ok_or(ENODEV)?;
        let tunnel_id = attributes.u32(attr::CONN_ID).ok_or(ENODEV)?;
        state
            .tunnel(tunnel_id)
            .and_then(|tunnel| state.session(&tunnel, session_id))
    };
    session.ok_or(ENODEV)
}

/// A switch: the lowest bit counts.
fn switch(request: &Request<'_>, attribute: u16) -> Option<bool> {
    request
        .attributes()
        .u8(attribute)
        .map(|value| value & 1 != 0)
}

/// `L2TP_CMD_SESSION_CREATE`.
pub(crate) struct Create;

impl Command for Create {
    fn run(request: &mut Request<'_>) -> Result {
        let attributes = request.attributes();
        let tunnel_id = attributes
            .u32(attr::CONN_ID)
            .ok_or_else(|| request.missing(attr::CONN_ID))?;
        let state = NetState::of(request.namespace())?;
        let tunnel = state.tunnel(tunnel_id).ok_or(ENODEV)?;
        let session_id = attributes
            .u32(attr::SESSION_ID)
            .ok_or_else(|| request.missing(attr::SESSION_ID))?;
        let peer_session_id = attributes
            .u32(attr::PEER_SESSION_ID)
            .ok_or_else(|| request.missing(attr::PEER_SESSION_ID))?;
        let config = config(request, &tunnel)?;
        // From here on the genl lock may be dropped: our reference keeps the tunnel, but it may be deleted, which the
        // registration of a session finds out.
        let Some(handler) = registry::handler(request, config.pw_type) else {
            return Err(request.refuse(EPROTONOSUPPORT, attr::PW_TYPE));
        };
        // The interfaces of sessions that were deleted, and their names, are not to be in the way.
        state.settle();
        handler.create(
            request.namespace(),
            &tunnel,
            session_id,
            peer_session_id,
            &config,
        )?;
        if let Some(session) = state.session(&tunnel, session_id) {
            notify(request, command::SESSION_CREATE, &session);
        }
        Ok(())
    }
}

/// Reads what session to create.
fn config(request: &Request<'_>, tunnel: &Tunnel) -> Result<SessionConfig> {
    let attributes = request.attributes();
    let pw_type = attributes
        .u16(attr::PW_TYPE)
        .ok_or_else(|| request.missing(attr::PW_TYPE))?;
    if pw_type >= PwType::MAX {
        return Err(request.refuse(EINVAL, attr::PW_TYPE));
    }
    let pw_type = PwType(pw_type);
    if tunnel.version() == 2 && pw_type != PwType::PPP {
        return Err(request.refuse(EPROTONOSUPPORT, attr::PW_TYPE));
    }
    // Version 2 knows nothing of these, and ignores them.
    let (l2spec, cookie, peer_cookie, ifname) = if tunnel.version() > 2 {
        (
            l2spec(request)?,
            cookie(request, attr::COOKIE)?,
            cookie(request, attr::PEER_COOKIE)?,
            ifname(request)?,
        )
    } else {
        (L2Spec::None, Cookie::NONE, Cookie::NONE, None)
    };
    Ok(SessionConfig {
        pw_type,
        l2spec,
        cookie,
        peer_cookie,
        recv_seq: switch(request, attr::RECV_SEQ).unwrap_or(false),
        send_seq: switch(request, attr::SEND_SEQ).unwrap_or(false),
        lns_mode: switch(request, attr::LNS_MODE).unwrap_or(false),
        reorder_timeout_ms: attributes.u64(attr::RECV_TIMEOUT).unwrap_or(0),
        debug: attributes.u32(attr::DEBUG).unwrap_or(0),
        ifname,
    })
}

/// Reads the L2-specific sublayer.
fn l2spec(request: &Request<'_>) -> Result<L2Spec> {
    let Some(number) = request.attributes().u8(attr::L2SPEC_TYPE) else {
        return Ok(L2Spec::Default);
    };
    L2Spec::try_from(number).map_err(|_| request.refuse(EINVAL, attr::L2SPEC_TYPE))
}

/// Reads a cookie.
fn cookie(request: &Request<'_>, attribute: u16) -> Result<Cookie> {
    let Some(cookie) = request.attributes().get(attribute) else {
        return Ok(Cookie::NONE);
    };
    Cookie::new(cookie.payload()).ok_or(EINVAL)
}

/// Reads the name that a network device is to have.
fn ifname(request: &Request<'_>) -> Result<Option<IfName>> {
    let Some(name) = request.attributes().get(attr::IFNAME) else {
        return Ok(None);
    };
    let name = name.c_str().ok_or(EINVAL)?;
    IfName::new(name.to_bytes()).ok_or(EINVAL).map(Some)
}

/// `L2TP_CMD_SESSION_DELETE`.
pub(crate) struct Delete;

impl Command for Delete {
    fn run(request: &mut Request<'_>) -> Result {
        let session = find(request)?;
        notify(request, command::SESSION_DELETE, &session);
        Session::delete(&session);
        Ok(())
    }
}

/// `L2TP_CMD_SESSION_MODIFY`.
pub(crate) struct Modify;

impl Command for Modify {
    fn run(request: &mut Request<'_>) -> Result {
        let session = find(request)?;
        if let Some(recv_seq) = switch(request, attr::RECV_SEQ) {
            session.set_recv_seq(recv_seq);
        }
        if let Some(send_seq) = switch(request, attr::SEND_SEQ) {
            session.set_send_seq(send_seq);
        }
        if let Some(lns_mode) = switch(request, attr::LNS_MODE) {
            session.set_lns_mode(lns_mode);
        }
        if let Some(timeout) = request.attributes().u64(attr::RECV_TIMEOUT) {
            session.set_reorder_timeout_ms(timeout);
        }
        if let Some(debug) = request.attributes().u32(attr::DEBUG) {
            session.set_debug(debug);
        }
        notify(request, command::SESSION_MODIFY, &session);
        Ok(())
    }
}

/// `L2TP_CMD_SESSION_GET`, a single session.
pub(crate) struct Get;

impl Command for Get {
    fn run(request: &mut Request<'_>) -> Result {
        let session = find(request)?;
        request.reply(0, command::SESSION_GET, |m| message::session(m, &session))
    }
}
