// SPDX-License-Identifier: GPL-2.0

//! Generic netlink families: requests, dumps, replies, notifications.
//!
//! A family is a `static` made of other statics: its policy, its operations, its multicast groups. Each operation is a type
//! that implements [`Command`] (do-requests), [`Dump`] or both. Handlers run one at a time, under the genl lock; the kernel's
//! parallel operations are not offered.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)
//!
//! # Examples
//!
//! A family `lamps` with one command that switches a lamp on, and tells those who joined the group `switched`:
//!
//! ```ignore
//! use kernel::prelude::*;
//! use net::{
//!     genl::{Command, Family, MulticastGroup, Operation, Registration, Request},
//!     module::this_module,
//!     netlink::{AttributePolicy, Policy},
//! };
//!
//! const CMD_SWITCH_ON: u8 = 1;
//! const ATTR_LAMP: u16 = 1;
//!
//! struct SwitchOn;
//!
//! impl Command for SwitchOn {
//!     fn run(request: &mut Request<'_>) -> Result {
//!         let lamp = request
//!             .attributes()
//!             .u32(ATTR_LAMP)
//!             .ok_or_else(|| request.missing(ATTR_LAMP))?;
//!         if lamp > 9 {
//!             request.explain(c"there are ten lamps");
//!             return Err(request.refuse(ENODEV, ATTR_LAMP));
//!         }
//!         request.notify(0, CMD_SWITCH_ON, 0, |message| message.put_u32(ATTR_LAMP, lamp))
//!     }
//! }
//!
//! static POLICY: Policy<2> = Policy::new().with(ATTR_LAMP, AttributePolicy::U32);
//! static OPERATIONS: [Operation; 1] =
//!     [Operation::new(CMD_SWITCH_ON).namespace_admin().command::<SwitchOn>()];
//! static GROUPS: [MulticastGroup; 1] = [MulticastGroup::new(c"switched")];
//! static FAMILY: Family = Family::builder(c"lamps", 1, this_module::<Lamps>())
//!     .namespaces()
//!     .policy(POLICY.as_slice())
//!     .operations(&OPERATIONS)
//!     .multicast_groups(&GROUPS)
//!     .build();
//!
//! struct Lamps(#[allow(dead_code)] Registration);
//!
//! impl kernel::Module for Lamps {
//!     fn init(_module: &'static ThisModule) -> Result<Self> {
//!         Ok(Lamps(FAMILY.register()?))
//!     }
//! }
//! ```

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    error::{from_result, to_result},
    prelude::*,
};
use net_bindings as c;

use crate::{
    namespace::Namespace,
    netlink::{
        AttributeWriter,
        Attributes,
        ExtAck,
        MessageBuffer,
        DEFAULT_PAYLOAD, //
    },
};

mod family;
mod lock;

pub use family::{
    Family,
    FamilyBuilder,
    MulticastGroup,
    Operation,
    Registration, //
};
pub use lock::{
    lock,
    Held,
    LockGuard,
    Protected, //
};

/// Header flag of messages that are one of several, as the entries of a dump are.
pub const NLM_F_MULTI: u16 = c::NLM_F_MULTI as u16;
/// Header flag by which a request asks for an acknowledgement.
pub const NLM_F_ACK: u16 = c::NLM_F_ACK as u16;

/// Handles the do-requests of a command.
pub trait Command {
    /// Does what is asked. The kernel acknowledges, or reports the error, if the requester wants that.
    fn run(request: &mut Request<'_>) -> Result;
}

/// Handles the dump requests of a command.
pub trait Dump {
    /// Where to go on in the next call. It starts as zeroes, and is `NETLINK_CTX_SIZE` (48) bytes at most.
    type Cursor: Zeroable + Copy;

    /// Composes entries from `cursor` on, with [`DumpRequest::entry`], and moves `cursor` past each, until there are no more
    /// (`Ok`) or one does not fit (`EMSGSIZE`). Called again, with the same cursor, until a call composes nothing.
    fn dump(request: &mut DumpRequest<'_>, cursor: &mut Self::Cursor) -> Result;
}

/// # Safety
///
/// Only for `genl_small_ops::doit` of families made here: the kernel calls it under the genl lock.
unsafe extern "C" fn doit<T: Command>(_skb: *mut c::sk_buff, info: *mut c::genl_info) -> c_int {
    // SAFETY: The kernel passes a `genl_info` that is valid and not changed by others during the call, of a registered family.
    // It holds the genl lock, as the family does not ask for parallel operations, and leaves it to us.
    let mut request = unsafe { Request::from_raw(NonNull::new_unchecked(info)) };
    from_result(|| T::run(&mut request).map(|()| 0))
}

/// # Safety
///
/// Only for `genl_small_ops::dumpit` of families made here.
unsafe extern "C" fn dumpit<T: Dump>(
    skb: *mut c::sk_buff,
    callback: *mut c::netlink_callback,
) -> c_int {
    // SAFETY: The kernel passes valid pointers that are ours during the call; what `data` points to in generic netlink is a
    // `genl_dumpit_info` of the same lifetime.
    let mut request = unsafe {
        DumpRequest {
            skb: NonNull::new_unchecked(skb),
            info: NonNull::new_unchecked((*callback).data.cast()),
            _request: PhantomData,
        }
    };
    // SAFETY: `ctx` belongs to the family for the duration of the dump. It starts as zeroes, which are a `Cursor` as it is
    // `Zeroable`, and nobody else writes to it. `Operation::dump()` checked size and alignment (the union has the alignment
    // of a `long`). A cursor is `Copy`, so it needs no drop.
    let cursor = unsafe { &mut *(&raw mut (*callback).__bindgen_anon_1.ctx).cast::<T::Cursor>() };
    let result = T::dump(&mut request, cursor);
    // SAFETY: As above; whoever borrowed it in the request has finished.
    let composed = unsafe { (*skb).len };
    from_result(|| match result {
        // Nothing more fits into this buffer, or nothing more is to come: the kernel asks once more, with the next buffer.
        Err(error) if composed == 0 || error != EMSGSIZE => Err(error),
        // CAST: Buffers are a few kilobytes.
        _ => Ok(composed as c_int),
    })
}

/// Begins a message, has `content` write its attributes, and ends it; on failure removes what was composed of it.
///
/// # Safety
///
/// `skb` must be valid and not be accessed by others during the call, `info` be valid and of a registered family.
unsafe fn compose(
    skb: NonNull<c::sk_buff>,
    info: NonNull<c::genl_info>,
    flags: u16,
    command: u8,
    content: impl FnOnce(&mut AttributeWriter<'_>) -> Result,
) -> Result {
    let info = info.as_ptr();
    // SAFETY: By the safety requirements.
    let header = unsafe {
        c::genlmsg_put(
            skb.as_ptr(),
            (*info).snd_portid,
            (*info).snd_seq,
            (*info).family,
            c_int::from(flags),
            command,
        )
    };
    if header.is_null() {
        return Err(EMSGSIZE);
    }
    // SAFETY: By the safety requirements `skb` is valid and ours; until the writer is dropped we do not access it.
    let mut writer = unsafe { AttributeWriter::from_raw(skb) };
    match content(&mut writer) {
        Ok(()) => {
            // SAFETY: `header` is that of the message at the end of `skb`: a writer removes nothing that it did not write.
            unsafe { c::genlmsg_end(skb.as_ptr(), header) };
            Ok(())
        }
        Err(error) => {
            // SAFETY: As above.
            unsafe { c::genlmsg_cancel(skb.as_ptr(), header) };
            Err(error)
        }
    }
}

/// A do-request.
///
/// # Invariants
///
/// `info` is valid and not changed by others for `'a`, and that of a registered family. The genl lock is held.
pub struct Request<'a> {
    info: NonNull<c::genl_info>,
    held: Held,
    _request: PhantomData<&'a c::genl_info>,
}

impl<'a> Request<'a> {
    /// # Safety
    ///
    /// What the invariant says must be true for the lifetime of the result, and there must be no other [`Held`].
    unsafe fn from_raw(info: NonNull<c::genl_info>) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            info,
            // SAFETY: By the safety requirements.
            held: unsafe { Held::assume() },
            _request: PhantomData,
        }
    }

    fn info(&self) -> &'a c::genl_info {
        // SAFETY: By the type invariant valid, and not changed.
        unsafe { self.info.as_ref() }
    }

    /// The network namespace that the request is about: that of the requester's socket.
    pub fn namespace(&self) -> &'a Namespace {
        // SAFETY: `info` is valid, and its namespace is kept by the socket that the request came through.
        unsafe { Namespace::from_raw(c::genl_info_net(self.info.as_ptr())) }
    }

    /// The attributes, as the policy of the family allows them.
    pub fn attributes(&self) -> Attributes<'a> {
        let info = self.info();
        // SAFETY: The family of a request is valid. If the kernel parsed the attributes, which it does by the policy of the
        // family, there are `maxattr + 1` entries that point into the message.
        unsafe {
            let count = (*info.family).maxattr as usize + 1;
            Attributes::from_raw(info.attrs, count)
        }
    }

    fn extack(&self) -> ExtAck<'_> {
        // SAFETY: The pointer is null or that of the request's report, which is ours while we handle the request.
        unsafe { ExtAck::from_raw(self.info().extack) }
    }

    /// Reports that this attribute is missing. The error to return for that is `EINVAL`.
    pub fn missing(&self, attribute: u16) -> Error {
        self.extack().set_missing(attribute);
        EINVAL
    }

    /// Reports that the error is about this attribute. Returns `error`.
    pub fn refuse(&self, error: Error, attribute: u16) -> Error {
        if let Some(attribute) = self.attributes().raw(attribute) {
            self.extack().set_attribute(attribute);
        }
        error
    }

    /// Reports what is wrong, in words for people.
    pub fn explain(&self, message: &'static CStr) {
        self.extack().set_message(message);
    }

    /// The proof that the genl lock is held.
    pub fn held(&mut self) -> &mut Held {
        &mut self.held
    }

    fn compose(
        &self,
        flags: u16,
        command: u8,
        content: impl FnOnce(&mut AttributeWriter<'_>) -> Result,
    ) -> Result<MessageBuffer> {
        let buffer = MessageBuffer::new(DEFAULT_PAYLOAD)?;
        // SAFETY: The buffer is ours, and never null; `info` is valid by the type invariant.
        unsafe {
            let skb = NonNull::new_unchecked(buffer.as_ptr());
            compose(skb, self.info, flags, command, content)?;
        }
        Ok(buffer)
    }

    /// Composes a message and sends it to the requester, with the sequence number of the request. May sleep.
    ///
    /// Fails with `ENOMEM`, `EMSGSIZE`, what `content` returns, or what the requester's socket says.
    pub fn reply(
        &self,
        flags: u16,
        command: u8,
        content: impl FnOnce(&mut AttributeWriter<'_>) -> Result,
    ) -> Result {
        let message = self.compose(flags, command, content)?.into_raw();
        // SAFETY: Namespace and port are those of the requester; the message is given away.
        to_result(unsafe {
            let namespace = c::genl_info_net(self.info.as_ptr());
            c::genlmsg_unicast(namespace, message, self.info().snd_portid)
        })
    }

    /// Composes a message and sends it to those in the namespace who joined a multicast group of the family, the requester
    /// included. The header carries the port and the sequence number of the request, so that the requester knows which are
    /// its own. May sleep.
    ///
    /// `group` counts from 0 in the order of [`Family::multicast_groups`]. That nobody has joined is no error.
    pub fn notify(
        &self,
        flags: u16,
        command: u8,
        group: u32,
        content: impl FnOnce(&mut AttributeWriter<'_>) -> Result,
    ) -> Result {
        let info = self.info();
        // SAFETY: `info` is valid by the type invariant.
        let namespace = unsafe { c::genl_info_net(self.info.as_ptr()) };
        // SAFETY: Family and namespace of a request are valid.
        if unsafe { c::genl_has_listeners(info.family, namespace, group) } == 0 {
            return Ok(());
        }
        let message = self.compose(flags, command, content)?.into_raw();
        // SAFETY: As above; the message is given away. Port 0 excludes nobody.
        let sent = to_result(unsafe {
            c::genlmsg_multicast_netns(info.family, namespace, message, 0, group, c::GFP_KERNEL)
        });
        match sent {
            Err(error) if error == ESRCH => Ok(()),
            sent => sent,
        }
    }
}

/// A dump request, or rather one of the calls in which it is served.
///
/// # Invariants
///
/// `skb` and `info` are valid and not accessed by others for `'a`; the family in `info` is registered.
pub struct DumpRequest<'a> {
    skb: NonNull<c::sk_buff>,
    info: NonNull<c::genl_dumpit_info>,
    _request: PhantomData<&'a mut c::sk_buff>,
}

impl<'a> DumpRequest<'a> {
    /// The network namespace that the request is about: that of the requester's socket.
    pub fn namespace(&self) -> &'a Namespace {
        // SAFETY: `info` is valid, and its namespace is kept by the socket that the request came through.
        unsafe { Namespace::from_raw(c::genl_info_net(&raw const (*self.info.as_ptr()).info)) }
    }

    /// The attributes, as the policy of the family allows them; none for [`Operation::unparsed_dump`].
    pub fn attributes(&self) -> Attributes<'a> {
        // SAFETY: `info` is valid by the type invariant. If the kernel parsed the attributes, which it does by the operation's
        // policy, there are `maxattr + 1` entries that point into the message, which it keeps until the end of the dump.
        unsafe {
            let info = self.info.as_ptr();
            Attributes::from_raw((*info).info.attrs, (*info).op.maxattr as usize + 1)
        }
    }

    /// Composes an entry, with the port and the sequence number of the request. Fails with `EMSGSIZE` if it does not fit, or
    /// with what `content` returns.
    pub fn entry(
        &mut self,
        command: u8,
        content: impl FnOnce(&mut AttributeWriter<'_>) -> Result,
    ) -> Result {
        // SAFETY: `info` is valid by the type invariant, so its field is.
        let info = unsafe { NonNull::new_unchecked(&raw mut (*self.info.as_ptr()).info) };
        // SAFETY: By the type invariant.
        unsafe { compose(self.skb, info, NLM_F_MULTI, command, content) }
    }
}
