// SPDX-License-Identifier: GPL-2.0

//! The generic netlink family `l2tp`.
//!
//! Source: `include/uapi/linux/l2tp.h`.

use crate::{
    attributes,
    dump,
    session,
    tunnel,
    L2tpNetlink, //
};
use kernel::prelude::*;
use net::{
    genl::{
        Command,
        Family,
        MulticastGroup,
        Operation,
        Request, //
    },
    module::this_module, //
};

/// Command numbers, `L2TP_CMD_*`.
pub(crate) mod command {
    /// Does nothing but reply.
    pub(crate) const NOOP: u8 = 0;
    /// Creates a tunnel.
    pub(crate) const TUNNEL_CREATE: u8 = 1;
    /// Deletes a tunnel and its sessions.
    pub(crate) const TUNNEL_DELETE: u8 = 2;
    /// Changes the debug mask of a tunnel.
    pub(crate) const TUNNEL_MODIFY: u8 = 3;
    /// Reports a tunnel, or all.
    pub(crate) const TUNNEL_GET: u8 = 4;
    /// Creates a session.
    pub(crate) const SESSION_CREATE: u8 = 5;
    /// Deletes a session.
    pub(crate) const SESSION_DELETE: u8 = 6;
    /// Changes a session.
    pub(crate) const SESSION_MODIFY: u8 = 7;
    /// Reports a session, or all.
    pub(crate) const SESSION_GET: u8 = 8;
}

/// The multicast group that notifications go to, the first of [`GROUPS`].
pub(crate) const NOTIFICATIONS: u32 = 0;

static GROUPS: [MulticastGroup; 1] = [MulticastGroup::new(c"l2tp")];

/// An operation of the family. All are from the time before strict validation, and keep accepting what they accepted.
const fn operation(command: u8) -> Operation {
    Operation::new(command).liberal().unparsed_dump()
}

static OPERATIONS: [Operation; 9] = [
    operation(command::NOOP).command::<Noop>(),
    operation(command::TUNNEL_CREATE)
        .namespace_admin()
        .command::<tunnel::Create>(),
    operation(command::TUNNEL_DELETE)
        .namespace_admin()
        .command::<tunnel::Delete>(),
    operation(command::TUNNEL_MODIFY)
        .namespace_admin()
        .command::<tunnel::Modify>(),
    operation(command::TUNNEL_GET)
        .namespace_admin()
        .command::<tunnel::Get>()
        .dump::<dump::Tunnels>(),
    operation(command::SESSION_CREATE)
        .namespace_admin()
        .command::<session::Create>(),
    operation(command::SESSION_DELETE)
        .namespace_admin()
        .command::<session::Delete>(),
    operation(command::SESSION_MODIFY)
        .namespace_admin()
        .command::<session::Modify>(),
    operation(command::SESSION_GET)
        .namespace_admin()
        .command::<session::Get>()
        .dump::<dump::Sessions>(),
];

/// The family.
pub(crate) static FAMILY: Family = Family::builder(c"l2tp", 1, this_module::<L2tpNetlink>())
    .namespaces()
    .policy(attributes::POLICY.as_slice())
    .operations(&OPERATIONS)
    .strict_from(command::SESSION_GET + 1)
    .multicast_groups(&GROUPS)
    .build();

/// `L2TP_CMD_NOOP`: an empty message is the answer. Everybody may ask.
struct Noop;

impl Command for Noop {
    fn run(request: &mut Request<'_>) -> Result {
        request.reply(0, command::NOOP, |_| Ok(()))
    }
}
