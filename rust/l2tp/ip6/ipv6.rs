// SPDX-License-Identifier: GPL-2.0

//! L2TP over IPv6: `struct sockaddr_l2tpip6` and its checks.
//!
//! | offset | |
//! |---|---|
//! | 0 | `AF_INET6` |
//! | 2 | unused; where an internet address has its port |
//! | 4 | traffic class and flow label, network order |
//! | 8 | address |
//! | 24 | scope: index of the device of a link-local address |
//! | 28 | connection id, host order |

use kernel::prelude::*;
use l2tp_ip::{enter, field, ControlSocket, Family, Socket, Target, CONTROL};
use net::{
    error::{
        EADDRNOTAVAIL,
        EAFNOSUPPORT,
        EDESTADDRREQ,
        ENOTCONN,
        EOPNOTSUPP, //
    },
    inet_socket::{
        v6::{check_local, Destination, Kind},
        Address, Datagram, Message, Tables, MSG_OOB, V6,
    },
    sock::AF_INET6,
};

/// Length of `struct sockaddr_l2tpip6`.
const LEN: usize = 32;
/// Length of a `struct sockaddr_in6` without scope, which is enough to send to.
const LEN_WITHOUT_SCOPE: usize = 24;
/// Length of a `struct sockaddr_in6`.
const LEN_WITH_SCOPE: usize = 28;

/// L2TP over IPv6.
pub(crate) struct Ipv6;

static TABLES: Tables<ControlSocket<Ipv6>> = Tables::new();

/// A `struct sockaddr_l2tpip6`.
struct SocketAddress {
    family: u16,
    flowinfo: u32,
    address: [u8; 16],
    scope: u32,
    connection: u32,
}

impl SocketAddress {
    /// Reads an address of at least [`LEN_WITHOUT_SCOPE`] bytes; what is behind its end is 0.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |offset| field(bytes, offset).map_or(0, u32::from_ne_bytes);
        Some(Self {
            family: u16::from_ne_bytes(field(bytes, 0)?),
            flowinfo: word(4),
            address: field(bytes, 8)?,
            scope: word(24),
            connection: word(28),
        })
    }

    /// The bytes of the address.
    fn bytes(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        let parts: [(usize, &[u8]); 5] = [
            (0, &self.family.to_ne_bytes()),
            (4, &self.flowinfo.to_ne_bytes()),
            (8, &self.address),
            (24, &self.scope.to_ne_bytes()),
            (28, &self.connection.to_ne_bytes()),
        ];
        for (offset, part) in parts {
            for (to, from) in bytes.iter_mut().skip(offset).zip(part) {
                *to = *from;
            }
        }
        bytes
    }

    /// An address of ours, whose scope is `device` if it needs one.
    fn new(address: [u8; 16], device: u32, connection: u32) -> Self {
        Self {
            family: AF_INET6,
            flowinfo: 0,
            address,
            scope: if Kind::of(address).is_link_local() {
                device
            } else {
                0
            },
            connection,
        }
    }
}

/// An address that is complete and of the family.
fn complete(address: &Address<'_>) -> Result<SocketAddress> {
    let bytes = address.bytes();
    if bytes.len() < LEN {
        return Err(EINVAL);
    }
    match SocketAddress::parse(bytes) {
        Some(address) if address.family == AF_INET6 => Ok(address),
        _ => Err(EINVAL),
    }
}

impl Family for Ipv6 {
    type Inet = V6;
    type Name = [u8; LEN];

    const NAME: &'static str = "L2TP/IPv6";
    const ANY: [u8; 16] = [0; 16];

    fn tables() -> &'static Tables<ControlSocket<Self>> {
        &TABLES
    }

    fn bind(socket: &Socket<Self>, address: &Address<'_>) -> Result {
        let SocketAddress {
            address: local,
            scope,
            connection,
            ..
        } = complete(address)?;
        let kind = Kind::of(local);
        // These sockets are for IPv6 only, and L2TP is between two.
        if kind.is_mapped() || kind.is_multicast() {
            return Err(EADDRNOTAVAIL);
        }
        let socket = socket.lock();
        if !socket.is_fresh() {
            return Err(EINVAL);
        }
        let mut device = socket.bound_device();
        if kind.is_link_local() {
            if scope != 0 {
                device = scope;
            }
            if device == 0 {
                return Err(EINVAL);
            }
        }
        if !kind.is_any() {
            check_local(socket.namespace(), local, device)?;
        }
        let target = Target {
            local,
            peer: Self::ANY,
            device,
        };
        let mut sockets = socket.bound_sockets()?;
        enter(&socket, &mut sockets, &target, connection, || {
            socket.set_address(local, device);
        })
    }

    fn check_peer(address: &Address<'_>) -> Result<u32> {
        let address = complete(address)?;
        let kind = Kind::of(address.address);
        let mapped_group = kind.is_mapped() && matches!(address.address.get(12), Some(224..=239));
        if kind.is_multicast() || mapped_group {
            return Err(EINVAL);
        }
        Ok(address.connection)
    }

    fn name(socket: &Socket<Self>, peer: bool) -> Result<[u8; LEN]> {
        let device = socket.bound_device();
        if peer {
            let connection = socket.state().peer();
            if connection == 0 {
                return Err(ENOTCONN);
            }
            let mut address = SocketAddress::new(socket.peer(), device, connection);
            address.flowinfo = socket.flow_label();
            return Ok(address.bytes());
        }
        let mut local = socket.local();
        if local == Self::ANY {
            local = socket.source();
        }
        Ok(SocketAddress::new(local, device, socket.state().own()).bytes())
    }

    fn send(socket: &Socket<Self>, message: &mut Message<'_>, len: usize) -> Result<usize> {
        const MAX_LEN: usize = i32::MAX as usize - CONTROL.len();
        if len > MAX_LEN {
            return Err(EMSGSIZE);
        }
        if message.flags() & MSG_OOB != 0 {
            return Err(EOPNOTSUPP);
        }
        let to = match message.address() {
            Some(bytes) => {
                if bytes.len() < LEN_WITHOUT_SCOPE {
                    return Err(EINVAL);
                }
                let to = SocketAddress::parse(bytes).ok_or(EINVAL)?;
                if to.family != 0 && to.family != AF_INET6 {
                    return Err(EAFNOSUPPORT);
                }
                Some(Destination {
                    address: to.address,
                    flowinfo: to.flowinfo,
                    scope: if bytes.len() < LEN_WITH_SCOPE {
                        0
                    } else {
                        to.scope
                    },
                })
            }
            None if socket.is_connected() => None,
            None => return Err(EDESTADDRREQ),
        };
        socket.send(message, len, to, CONTROL)
    }

    fn receive_error(
        socket: &Socket<Self>,
        message: &mut Message<'_>,
        len: usize,
    ) -> Option<Result<usize>> {
        Some(socket.receive_error(message, len))
    }

    fn sender(datagram: &Datagram<'_, ControlSocket<Self>>) -> [u8; LEN] {
        SocketAddress::new(datagram.source(), datagram.interface(), 0).bytes()
    }
}
