// SPDX-License-Identifier: GPL-2.0

//! The tunnel commands: create, delete, modify, get.

use crate::{
    attributes as attr,
    family::{
        command,
        NOTIFICATIONS, //
    },
    message,
};
use kernel::prelude::*;
use l2tp_core::{
    Encap,
    Endpoint,
    NetState,
    Tunnel,
    TunnelConfig,
    TunnelSocket, //
};
use net::{
    genl::{
        Command,
        Request,
        NLM_F_ACK, //
    },
    shared::RcuArc,
    sock::Endpoints,
};

/// Tells the multicast group. That this fails is no reason for the request to fail.
fn notify(request: &Request<'_>, command: u8, tunnel: &Tunnel) {
    let _ = request.notify(NLM_F_ACK, command, NOTIFICATIONS, |m| {
        message::tunnel(m, tunnel)
    });
}

/// The tunnel that a request names.
fn find(request: &Request<'_>) -> Result<RcuArc<Tunnel>> {
    let id = request
        .attributes()
        .u32(attr::CONN_ID)
        .ok_or_else(|| request.missing(attr::CONN_ID))?;
    NetState::of(request.namespace())?.tunnel(id).ok_or(ENODEV)
}

/// `L2TP_CMD_TUNNEL_CREATE`.
pub(crate) struct Create;

impl Command for Create {
    fn run(request: &mut Request<'_>) -> Result {
        let tunnel = Tunnel::create(request.namespace(), &config(request)?)?;
        notify(request, command::TUNNEL_CREATE, &tunnel);
        Ok(())
    }
}

/// Reads what tunnel to create.
fn config(request: &Request<'_>) -> Result<TunnelConfig> {
    let attributes = request.attributes();
    let required = |attribute| move || request.missing(attribute);

    let id = attributes
        .u32(attr::CONN_ID)
        .ok_or_else(required(attr::CONN_ID))?;
    let peer_id = attributes
        .u32(attr::PEER_CONN_ID)
        .ok_or_else(required(attr::PEER_CONN_ID))?;
    // Versions other than 2 and 3 have always been accepted, for whatever use.
    let version = attributes
        .u8(attr::PROTO_VERSION)
        .ok_or_else(required(attr::PROTO_VERSION))?;
    let encap = attributes
        .u16(attr::ENCAP_TYPE)
        .ok_or_else(required(attr::ENCAP_TYPE))?;
    let socket = match attributes.u32(attr::FD) {
        // A C int.
        // CAST: Reinterpreted, as said.
        Some(fd) => socket(fd as c_int),
        None => TunnelSocket::Kernel(endpoint(request)?),
    };
    let encap = Encap::try_from(encap).map_err(|error| request.refuse(error, attr::ENCAP_TYPE))?;
    Ok(TunnelConfig {
        id,
        peer_id,
        version,
        encap,
        socket,
        debug: attributes.u32(attr::DEBUG).unwrap_or(0),
    })
}

/// The socket of this number. It says itself where it leads, whatever else is in the request.
///
/// A negative number is no socket: then the kernel makes one between the unspecified addresses.
fn socket(fd: c_int) -> TunnelSocket {
    if fd >= 0 {
        return TunnelSocket::Fd(fd);
    }
    TunnelSocket::Kernel(Endpoint::V4 {
        ends: Endpoints {
            local: [0; 4],
            peer: [0; 4],
            local_port: 0,
            peer_port: 0,
        },
        udp_csum: false,
    })
}

/// Reads where a socket is to lead that the kernel makes: IPv6 if both addresses are given, else IPv4.
fn endpoint(request: &Request<'_>) -> Result<Endpoint> {
    let attributes = request.attributes();
    let local_port = attributes.u16(attr::UDP_SPORT).unwrap_or(0);
    let peer_port = attributes.u16(attr::UDP_DPORT).unwrap_or(0);
    if attributes.contains(attr::IP6_SADDR) && attributes.contains(attr::IP6_DADDR) {
        return Ok(Endpoint::V6 {
            ends: Endpoints {
                local: ip6_address(request, attr::IP6_SADDR)?,
                peer: ip6_address(request, attr::IP6_DADDR)?,
                local_port,
                peer_port,
            },
            zero_csum_tx: attributes.contains(attr::UDP_ZERO_CSUM6_TX),
            zero_csum_rx: attributes.contains(attr::UDP_ZERO_CSUM6_RX),
        });
    }
    let address = |attribute| attributes.get(attribute)?.first();
    if let (Some(local), Some(peer)) = (address(attr::IP_SADDR), address(attr::IP_DADDR)) {
        return Ok(Endpoint::V4 {
            ends: Endpoints {
                local,
                peer,
                local_port,
                peer_port,
            },
            // Whatever its value.
            udp_csum: attributes.contains(attr::UDP_CSUM),
        });
    }
    Err(request.missing(attr::IP_SADDR))
}

/// Reads an IPv6 address. The policy only keeps it from being longer.
fn ip6_address(request: &Request<'_>, attribute: u16) -> Result<[u8; 16]> {
    request
        .attributes()
        .get(attribute)
        .and_then(|address| address.first())
        .ok_or_else(|| request.refuse(EINVAL, attribute))
}

/// `L2TP_CMD_TUNNEL_DELETE`.
pub(crate) struct Delete;

impl Command for Delete {
    fn run(request: &mut Request<'_>) -> Result {
        let tunnel = find(request)?;
        notify(request, command::TUNNEL_DELETE, &tunnel);
        Tunnel::delete(&tunnel);
        Ok(())
    }
}

/// `L2TP_CMD_TUNNEL_MODIFY`.
pub(crate) struct Modify;

impl Command for Modify {
    fn run(request: &mut Request<'_>) -> Result {
        let tunnel = find(request)?;
        if let Some(debug) = request.attributes().u32(attr::DEBUG) {
            tunnel.set_debug(debug);
        }
        notify(request, command::TUNNEL_MODIFY, &tunnel);
        Ok(())
    }
}

/// `L2TP_CMD_TUNNEL_GET`, a single tunnel.
pub(crate) struct Get;

impl Command for Get {
    fn run(request: &mut Request<'_>) -> Result {
        let tunnel = find(request)?;
        // The flag has no meaning in a reply, but has always been there.
        request.reply(NLM_F_ACK, command::TUNNEL_GET, |m| {
            message::tunnel(m, &tunnel)
        })
    }
}
