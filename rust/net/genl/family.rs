// SPDX-License-Identifier: GPL-2.0

//! Families: what they are made of, and their registration.

use kernel::{
    error::to_result,
    prelude::*,
    types::Opaque, //
};
use net_bindings as c;

use super::{
    doit,
    dumpit,
    Command,
    Dump, //
};
use crate::netlink::AttributePolicy;

/// An operation of a family: a command number with its handlers.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Operation(c::genl_small_ops);

impl Operation {
    /// A command without handlers, which all may use.
    pub const fn new(command: u8) -> Self {
        Self(c::genl_small_ops {
            cmd: command,
            ..pin_init::zeroed()
        })
    }

    /// Requires `CAP_NET_ADMIN` in the initial user namespace.
    pub const fn admin(mut self) -> Self {
        self.0.flags |= c::GENL_ADMIN_PERM as u8;
        self
    }

    /// Requires `CAP_NET_ADMIN` in the user namespace that owns the network namespace.
    pub const fn namespace_admin(mut self) -> Self {
        self.0.flags |= c::GENL_UNS_ADMIN_PERM as u8;
        self
    }

    /// Accepts in do-requests what families accepted before there was strict validation: unknown attributes, integers that
    /// are longer than their type, trailing data. Only for commands below [`Family::strict_from`].
    pub const fn liberal(mut self) -> Self {
        self.0.validate |= c::genl_validate_flags_GENL_DONT_VALIDATE_STRICT as u8;
        self
    }

    /// Does not parse the attributes of dump requests. Only for commands below [`Family::strict_from`].
    pub const fn unparsed_dump(mut self) -> Self {
        self.0.validate |= c::genl_validate_flags_GENL_DONT_VALIDATE_DUMP as u8;
        self
    }

    /// Handles do-requests.
    pub const fn command<T: Command>(mut self) -> Self {
        self.0.doit = Some(doit::<T>);
        self
    }

    /// Handles dump requests.
    pub const fn dump<T: Dump>(mut self) -> Self {
        const {
            assert!(size_of::<T::Cursor>() <= c::NETLINK_CTX_SIZE as usize);
            assert!(align_of::<T::Cursor>() <= align_of::<c_long>());
        }
        self.0.dumpit = Some(dumpit::<T>);
        self
    }
}

/// A multicast group of a family.
#[repr(transparent)]
pub struct MulticastGroup(c::genl_multicast_group);

impl MulticastGroup {
    /// A group that all may join. For constants and statics: fails to compile if the name exceeds 15 bytes.
    pub const fn new(name: &CStr) -> Self {
        let mut group: c::genl_multicast_group = pin_init::zeroed();
        copy_name(&mut group.name, name);
        Self(group)
    }
}

/// Copies a name into a field that is larger.
const fn copy_name(field: &mut [c_char], name: &CStr) {
    let name = name.to_bytes();
    assert!(name.len() < field.len(), "name too long");
    let mut i = 0;
    while i < name.len() {
        field[i] = name[i];
        i += 1;
    }
}

/// A generic netlink family.
#[repr(transparent)]
pub struct Family {
    raw: Opaque<c::genl_family>,
}

// SAFETY: Only the kernel changes it, under its locks, while the family is registered or unregistered. What it points to is
// never changed.
unsafe impl Sync for Family {}

/// A [`Family`] that is being described.
pub struct FamilyBuilder(c::genl_family);

impl Family {
    /// Begins to describe a family. `module` is that of the handlers. For statics: fails to compile if the name exceeds 15
    /// bytes.
    pub const fn builder(name: &CStr, version: u8, module: &'static ThisModule) -> FamilyBuilder {
        let mut family = c::genl_family {
            version: version as c_uint,
            module: module.as_ptr().cast(),
            ..pin_init::zeroed()
        };
        copy_name(&mut family.name, name);
        FamilyBuilder(family)
    }

    /// Makes the family known. Requests may arrive before this returns.
    ///
    /// Fails with `EEXIST` if there is one of this name, with `EINVAL` if the description is inconsistent.
    pub fn register(&'static self) -> Result<Registration> {
        // SAFETY: The family, and all that it points to, is valid forever. Registering it twice is refused.
        to_result(unsafe { c::genl_register_family(self.raw.get()) })?;
        // INVARIANT: Registered just above.
        Ok(Registration { family: self })
    }
}

impl FamilyBuilder {
    /// Is present in all network namespaces, not only in the initial one.
    pub const fn namespaces(mut self) -> Self {
        // The first bit of the bit field, as `set_netnsok()` does, which is not `const`.
        let bit = if cfg!(target_endian = "big") { 0x80 } else { 1 };
        self.0._bitfield_1 = c::__BindgenBitfieldUnit::new([bit]);
        self
    }

    /// What the attributes of requests must be like. The last entry is that of the highest attribute.
    pub const fn policy(mut self, policy: &'static [AttributePolicy]) -> Self {
        assert!(!policy.is_empty());
        // CAST: Attribute numbers have 16 bits; `AttributePolicy` is transparent.
        self.0.maxattr = (policy.len() - 1) as c_uint;
        self.0.policy = policy.as_ptr().cast();
        self
    }

    /// What can be requested.
    pub const fn operations(mut self, operations: &'static [Operation]) -> Self {
        assert!(operations.len() <= u8::MAX as usize);
        // CAST: Checked above; `Operation` is transparent.
        self.0.n_small_ops = operations.len() as u8;
        self.0.small_ops = operations.as_ptr().cast();
        self
    }

    /// Checks requests strictly, including reserved fields and flags of their headers, from this command on. Old families
    /// that did not check all that must go on so for the commands they had; new ones leave this out.
    pub const fn strict_from(mut self, command: u8) -> Self {
        self.0.resv_start_op = command;
        self
    }

    /// Multicast groups.
    pub const fn multicast_groups(mut self, groups: &'static [MulticastGroup]) -> Self {
        assert!(groups.len() <= u8::MAX as usize);
        // CAST: Checked above; `MulticastGroup` is transparent.
        self.0.n_mcgrps = groups.len() as u8;
        self.0.mcgrps = groups.as_ptr().cast();
        self
    }

    /// The family.
    pub const fn build(self) -> Family {
        Family {
            raw: Opaque::new(self.0),
        }
    }
}

/// Keeps a family registered. Dropping it waits for handlers that are running.
///
/// # Invariants
///
/// `family` is registered.
pub struct Registration {
    family: &'static Family,
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is registered, and nobody else unregisters it.
        unsafe { c::genl_unregister_family(self.family.raw.get()) };
    }
}
