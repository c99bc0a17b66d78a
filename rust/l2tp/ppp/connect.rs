// SPDX-License-Identifier: GPL-2.0

//! `connect()`: attaches a socket to a session, either of which may have to be made.

use crate::{
    address::{
        self,
        Ids,
        Target, //
    },
    pseudowire::PppPseudowire,
    socket::{
        headroom,
        is_management,
        PppSocket, //
    },
};
use kernel::prelude::*;
use l2tp_core::{
    Encap,
    NetState,
    Pseudowire,
    PwType,
    RcuArc,
    Session,
    SessionConfig,
    Tunnel,
    TunnelConfig,
    TunnelSocket, //
};
use net::{
    error::{
        EALREADY,
        EPROTOTYPE, //
    },
    ppp,
    pppox::Address, //
};

/// What L2TP, UDP and IP take of a packet, roughly: nobody but multilink PPP needs to know.
const HEADER_OVERHEAD: u32 = 40;
/// The largest packet if the route is not known.
const DEFAULT_MTU: u32 = 1500;

/// Connects a socket.
///
/// # Errors
///
/// - `EINVAL`: the address is none, or the tunnel id is 0.
/// - `ENOENT`: there is no such tunnel. Only a management socket makes one, for which see [`Tunnel::create`]; without a
///   descriptor of its socket it is `EBADF`.
/// - `EBUSY`: the socket is or was connected.
/// - `EPROTOTYPE`: the session is not a PPP session.
/// - `EEXIST`: the session has or had a socket.
/// - `ENODEV`: the tunnel is being deleted.
/// - `ENOMEM`
pub(crate) fn connect(socket: &PppSocket, address: &[u8]) -> Result {
    let target = Target::parse(address)?;
    if target.ids.tunnel == 0 {
        return Err(EINVAL);
    }
    let (tunnel, new) = tunnel(socket, &target)?;
    let result = connect_to(socket, &tunnel, &target.ids);
    if new && result.is_err() {
        Tunnel::delete(&tunnel);
    }
    result
}

/// Finds the tunnel, or makes it for a management socket. Returns whether it was made.
fn tunnel(socket: &PppSocket, target: &Target) -> Result<(RcuArc<Tunnel>, bool)> {
    let ns = socket.namespace();
    if let Some(tunnel) = NetState::of(ns)?.tunnel(target.ids.tunnel) {
        return Ok((tunnel, false));
    }
    if !target.ids.is_management() {
        return Err(ENOENT);
    }
    // The kernel makes no sockets for those who come this way.
    if target.fd < 0 {
        return Err(EBADF);
    }
    let config = TunnelConfig {
        id: target.ids.tunnel,
        peer_id: target.ids.peer_tunnel,
        version: target.version,
        encap: Encap::Udp,
        socket: TunnelSocket::Fd(target.fd),
        debug: 0,
    };
    Ok((Tunnel::create(ns, &config)?, true))
}

/// Connects a socket to a session of a tunnel.
fn connect_to(socket: &PppSocket, tunnel: &RcuArc<Tunnel>, ids: &Ids) -> Result {
    let locked = socket.lock();
    if locked.is_connected() {
        return Err(EBUSY);
    }
    if locked.session.get_ref().is_some() {
        return Err(EALREADY);
    }
    tunnel.learn_peer_id(ids.peer_tunnel);
    let (session, new) = match tunnel.net().session(tunnel, ids.session) {
        Some(session) => (session, false),
        None => {
            let pseudowire: KBox<dyn Pseudowire> =
                KBox::new(PppPseudowire::for_socket(), GFP_KERNEL)?;
            let config = SessionConfig::new(PwType::PPP);
            let session = Session::new(tunnel, ids.session, ids.peer_session, &config, pseudowire)?;
            Session::register(&session)?;
            (session, true)
        }
    };
    let pseudowire = session.pseudowire_as::<PppPseudowire>().ok_or(EPROTOTYPE)?;
    if !new {
        pseudowire.take()?;
    }
    if !is_management(&session) {
        if let Err(error) = locked.register_channel(&channel(tunnel, &session)) {
            if new {
                // The session is closed later, maybe when our socket is gone.
                pseudowire.keep_module();
                Session::delete(&session);
            } else {
                pseudowire.give_back();
            }
            return Err(error);
        }
    }
    pseudowire.attach(&session, &locked);
    locked.set_connected();
    Ok(())
}

/// What the PPP channel of a session is like.
fn channel(tunnel: &Tunnel, session: &Session) -> ppp::Config {
    let mtu = tunnel
        .socket()
        .route()
        .map(|route| route.mtu)
        .filter(|mtu| *mtu > HEADER_OVERHEAD)
        .unwrap_or(DEFAULT_MTU)
        .saturating_sub(HEADER_OVERHEAD);
    ppp::Config {
        mtu: u16::try_from(mtu).unwrap_or(u16::MAX),
        // With a sequence number, which may come to be wanted later.
        header_len: headroom(session),
    }
}

/// The address of a socket that is attached to this session, for `getsockname()` and `getpeername()`: the peer's.
pub(crate) fn name(session: &Session) -> Result<Address> {
    let tunnel = session.tunnel();
    let owner = session
        .pseudowire_as::<PppPseudowire>()
        .map_or(0, PppPseudowire::owner);
    let ids = Ids {
        tunnel: tunnel.id(),
        session: session.id(),
        peer_tunnel: tunnel.peer_id(),
        peer_session: session.peer_id(),
    };
    address::name(
        tunnel.version(),
        &tunnel.addresses(),
        owner,
        tunnel.fd(),
        &ids,
    )
}
