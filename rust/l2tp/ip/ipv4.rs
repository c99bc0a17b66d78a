// SPDX-License-Identifier: GPL-2.0

//! L2TP over IPv4: `struct sockaddr_l2tpip` and its checks.
//!
//! | offset | |
//! |---|---|
//! | 0 | `AF_INET` |
//! | 2 | unused; where an internet address has its port |
//! | 4 | address |
//! | 8 | connection id, host order |
//! | 12 | padding |

use crate::{
    family::{field, Family},
    socket::{enter, ControlSocket, Socket, Target, CONTROL},
};
use kernel::prelude::*;
use net::{
    error::{
        EADDRNOTAVAIL,
        EAFNOSUPPORT,
        EDESTADDRREQ,
        ENOTCONN, //
    },
    inet_socket::{
        v4::{kind, Kind},
        Address, Datagram, Message, Tables, V4,
    },
    sock::AF_INET,
};

/// `struct sockaddr_l2tpip`
type SocketAddress = [u8; 16];

/// L2TP over IPv4.
pub(crate) struct Ipv4;

static TABLES: Tables<ControlSocket<Ipv4>> = Tables::new();

/// The address family, the address and the connection id; `None` if they are not all there.
fn parse(bytes: &[u8]) -> Option<(u16, [u8; 4], u32)> {
    let address: SocketAddress = field(bytes, 0)?;
    Some((
        u16::from_ne_bytes(field(&address, 0)?),
        field(&address, 4)?,
        u32::from_ne_bytes(field(&address, 8)?),
    ))
}

/// The bytes of an address.
fn socket_address(address: [u8; 4], connection: u32) -> SocketAddress {
    let [f0, f1] = AF_INET.to_ne_bytes();
    let [a0, a1, a2, a3] = address;
    let [c0, c1, c2, c3] = connection.to_ne_bytes();
    [f0, f1, 0, 0, a0, a1, a2, a3, c0, c1, c2, c3, 0, 0, 0, 0]
}

impl Family for Ipv4 {
    type Inet = V4;
    type Name = SocketAddress;

    const NAME: &'static str = "L2TP/IP";
    const ANY: [u8; 4] = [0; 4];

    fn tables() -> &'static Tables<ControlSocket<Self>> {
        &TABLES
    }

    fn bind(socket: &Socket<Self>, address: &Address<'_>) -> Result {
        let (AF_INET, local, connection) = parse(address.bytes()).ok_or(EINVAL)? else {
            return Err(EINVAL);
        };
        let socket = socket.lock();
        if !socket.is_fresh() {
            return Err(EINVAL);
        }
        let kind = kind(socket.namespace(), local);
        if local != Self::ANY && kind == Kind::Other {
            return Err(EADDRNOTAVAIL);
        }
        // A group's address is none to send from. An address stays even if it turns out to be used.
        let own = if local == Self::ANY {
            socket.local()
        } else {
            local
        };
        let source = match kind {
            Kind::Group => Self::ANY,
            _ => own,
        };
        socket.set_addresses(own, source);
        let target = Target {
            local,
            peer: Self::ANY,
            device: socket.bound_device(),
        };
        let mut sockets = socket.bound_sockets()?;
        enter(&socket, &mut sockets, &target, connection, || {
            socket.reset_route();
        })
    }

    fn check_peer(address: &Address<'_>) -> Result<u32> {
        match parse(address.bytes()) {
            // The family is checked by who connects.
            Some((_, [224..=239, ..], _)) | None => Err(EINVAL),
            Some((_, _, connection)) => Ok(connection),
        }
    }

    fn name(socket: &Socket<Self>, peer: bool) -> Result<SocketAddress> {
        if peer {
            // What is unused in the address tells whether there is one.
            if socket.peer_port() == 0 {
                return Err(ENOTCONN);
            }
            return Ok(socket_address(socket.peer(), socket.state().peer()));
        }
        let mut local = socket.local();
        if local == Self::ANY {
            local = socket.source();
        }
        Ok(socket_address(local, socket.state().own()))
    }

    fn send(socket: &Socket<Self>, message: &mut Message<'_>, len: usize) -> Result<usize> {
        let socket = socket.lock();
        if socket.is_dead() {
            return Err(ENOTCONN);
        }
        let to = match message.address() {
            Some(address) => match parse(address).ok_or(EINVAL)? {
                // `AF_UNSPEC` will do. The connection id is in the message.
                (AF_INET | 0, address, _) => Some(address),
                _ => return Err(EAFNOSUPPORT),
            },
            None if socket.is_connected() => None,
            None => return Err(EDESTADDRREQ),
        };
        socket.send(message, len, to, CONTROL)
    }

    /// The normal queue is read.
    fn receive_error(
        _socket: &Socket<Self>,
        _message: &mut Message<'_>,
        _len: usize,
    ) -> Option<Result<usize>> {
        None
    }

    /// `struct sockaddr_in`: where a connection id would be is padding.
    fn sender(datagram: &Datagram<'_, ControlSocket<Self>>) -> SocketAddress {
        socket_address(datagram.source(), 0)
    }
}
