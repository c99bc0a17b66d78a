// SPDX-License-Identifier: GPL-2.0

//! What differs between L2TP over IPv4 and over IPv6.

use crate::socket::{ControlSocket, Socket};
use kernel::prelude::*;
use net::inet_socket::{self, Address, Datagram, Message, Tables};

/// IPv4 or IPv6.
///
/// Socket addresses begin like those of the family and have a connection id: `struct sockaddr_l2tpip` and
/// `struct sockaddr_l2tpip6` in `linux/l2tp.h`.
pub trait Family: Sized + 'static {
    /// The family as `net` knows it.
    type Inet: inet_socket::Family;
    /// The bytes of a socket address.
    type Name: AsRef<[u8]>;

    /// Name in `/proc/net/protocols`.
    const NAME: &'static str;
    /// The address that is none, or any.
    const ANY: <Self::Inet as inet_socket::Family>::Address;

    /// Where the protocol is registered.
    fn tables() -> &'static Tables<ControlSocket<Self>>;

    /// bind(): see [`Socket`] for what follows it.
    fn bind(socket: &Socket<Self>, address: &Address<'_>) -> Result;

    /// Checks an address to connect to, and returns the connection id in it.
    fn check_peer(address: &Address<'_>) -> Result<u32>;

    /// getsockname(), or getpeername() if `peer`.
    fn name(socket: &Socket<Self>, peer: bool) -> Result<Self::Name>;

    /// Sends a control message of `len` bytes.
    fn send(socket: &Socket<Self>, message: &mut Message<'_>, len: usize) -> Result<usize>;

    /// Receives with `MSG_ERRQUEUE`, if that means something else than without; `None` if not.
    fn receive_error(
        socket: &Socket<Self>,
        message: &mut Message<'_>,
        len: usize,
    ) -> Option<Result<usize>>;

    /// The address of the sender of a datagram.
    fn sender(datagram: &Datagram<'_, ControlSocket<Self>>) -> Self::Name;
}

/// `N` bytes at `offset`; `None` if there are less.
pub fn field<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}
