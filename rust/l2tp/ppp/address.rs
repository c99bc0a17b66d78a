// SPDX-License-Identifier: GPL-2.0

//! Socket addresses: `struct sockaddr_pppol2tp` and its three variants, in host byte order and without padding.
//!
//! | variant | length | tunnel and session ids | peer's address |
//! |---|---|---|---|
//! | L2TPv2 over IPv4 | 38 | at 30, 16 bits each | at 14 |
//! | L2TPv2 over IPv6 | 50 | at 14, 16 bits each | at 22 |
//! | L2TPv3 over IPv4 | 46 | at 30, 32 bits each | at 14 |
//! | L2TPv3 over IPv6 | 58 | at 14, 32 bits each | at 30 |
//!
//! All have the address family at 0 (16 bits), the protocol at 2, a process id at 6 and the tunnel socket's descriptor at 10 (32
//! bits each).

use kernel::prelude::*;
use net::{
    pppox::{
        Address,
        AF_PPPOX, //
    },
    sock::{
        Addresses,
        AF_INET,
        AF_INET6, //
    },
};

/// `PX_PROTO_OL2TP`
pub(crate) const PROTOCOL: u16 = 1;

/// Where the fields of a variant are.
#[derive(Clone, Copy)]
struct Layout {
    len: usize,
    version: u8,
    ids: usize,
    peer: usize,
}

const V2_IP4: Layout = Layout {
    len: 38,
    version: 2,
    ids: 30,
    peer: 14,
};
const V2_IP6: Layout = Layout {
    len: 50,
    version: 2,
    ids: 14,
    peer: 22,
};
const V3_IP4: Layout = Layout {
    len: 46,
    version: 3,
    ids: 30,
    peer: 14,
};
const V3_IP6: Layout = Layout {
    len: 58,
    version: 3,
    ids: 14,
    peer: 30,
};

/// What `connect()` reads in an address. The family, the process id and the peer's address do not matter.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    /// L2TP version of the variant.
    pub(crate) version: u8,
    /// Descriptor of the tunnel's socket.
    pub(crate) fd: c_int,
    pub(crate) ids: Ids,
}

/// Which tunnel and session.
#[derive(Clone, Copy)]
pub(crate) struct Ids {
    pub(crate) tunnel: u32,
    pub(crate) session: u32,
    pub(crate) peer_tunnel: u32,
    pub(crate) peer_session: u32,
}

impl Ids {
    /// Whether they stand for the tunnel itself.
    pub(crate) fn is_management(&self) -> bool {
        self.session == 0 && self.peer_session == 0
    }
}

/// `N` bytes of an address.
fn field<const N: usize>(address: &[u8], offset: usize) -> Result<[u8; N]> {
    let bytes = address.get(offset..).and_then(|rest| rest.first_chunk());
    bytes.copied().ok_or(EINVAL)
}

impl Target {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it has no variant's length, or is not of this protocol.
    pub(crate) fn parse(address: &[u8]) -> Result<Self> {
        let variants = [V2_IP4, V2_IP6, V3_IP4, V3_IP6];
        let layout = variants
            .into_iter()
            .find(|layout| layout.len == address.len())
            .ok_or(EINVAL)?;
        if u32::from_ne_bytes(field(address, 2)?) != u32::from(PROTOCOL) {
            return Err(EINVAL);
        }
        let id = |n: usize| -> Result<u32> {
            if layout.version == 2 {
                let offset = layout.ids.wrapping_add(n.wrapping_mul(2));
                Ok(u16::from_ne_bytes(field(address, offset)?).into())
            } else {
                let offset = layout.ids.wrapping_add(n.wrapping_mul(4));
                Ok(u32::from_ne_bytes(field(address, offset)?))
            }
        };
        Ok(Self {
            version: layout.version,
            fd: c_int::from_ne_bytes(field(address, 10)?),
            ids: Ids {
                tunnel: id(0)?,
                session: id(1)?,
                peer_tunnel: id(2)?,
                peer_session: id(3)?,
            },
        })
    }
}

/// Puts bytes into an address.
fn put(address: &mut [u8], offset: usize, bytes: &[u8]) {
    let place = address
        .get_mut(offset..)
        .and_then(|rest| rest.get_mut(..bytes.len()));
    // Layouts and fields are ours, and fit.
    if let Some(place) = place {
        place.copy_from_slice(bytes);
    }
}

/// The address of a socket in a tunnel of this version, with the peer of these addresses. For other versions it is empty.
pub(crate) fn name(
    version: u8,
    addresses: &Addresses,
    pid: i32,
    fd: c_int,
    ids: &Ids,
) -> Result<Address> {
    let layout = match (version, addresses) {
        (2, Addresses::V4(_)) => V2_IP4,
        (2, Addresses::V6(_)) => V2_IP6,
        (3, Addresses::V6(_)) => V3_IP6,
        (3, _) => V3_IP4,
        _ => return Address::new(&[]),
    };
    let mut buffer = [0; Address::MAX];
    let address = buffer.get_mut(..layout.len).ok_or(EINVAL)?;
    put(address, 0, &AF_PPPOX.to_ne_bytes());
    put(address, 2, &u32::from(PROTOCOL).to_ne_bytes());
    put(address, 6, &pid.to_ne_bytes());
    put(address, 10, &fd.to_ne_bytes());
    let ids = [ids.tunnel, ids.session, ids.peer_tunnel, ids.peer_session];
    let mut offset = layout.ids;
    for id in ids {
        if layout.version == 2 {
            // CAST: L2TPv2 has 16 bits.
            put(address, offset, &(id as u16).to_ne_bytes());
            offset = offset.wrapping_add(2);
        } else {
            put(address, offset, &id.to_ne_bytes());
            offset = offset.wrapping_add(4);
        }
    }
    // A `struct sockaddr_in` or `sockaddr_in6`.
    let peer = address.get_mut(layout.peer..).ok_or(EINVAL)?;
    match addresses {
        Addresses::V4(ends) => {
            put(peer, 0, &AF_INET.to_ne_bytes());
            put(peer, 2, &ends.peer_port.to_be_bytes());
            put(peer, 4, &ends.peer);
        }
        Addresses::V6(ends) => {
            put(peer, 0, &AF_INET6.to_ne_bytes());
            put(peer, 2, &ends.peer_port.to_be_bytes());
            put(peer, 8, &ends.peer);
        }
        Addresses::Other => {}
    }
    Address::new(address)
}
