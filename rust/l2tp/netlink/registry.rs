// SPDX-License-Identifier: GPL-2.0

//! Who creates sessions of which pseudowire type.

use kernel::{
    prelude::*,
    str::CString, //
};
use l2tp_core::{
    PwType,
    SessionConfig,
    Tunnel, //
};
use net::{
    genl::{
        self,
        Protected,
        Request, //
    },
    module::{
        request_module,
        ModuleRef, //
    },
    namespace::Namespace,
    shared::RcuArc,
};

/// Creates the sessions of one pseudowire type.
pub trait PseudowireOps: Sync {
    /// Creates and registers a session. `ns` is the namespace of the requester, whose tunnel it is.
    ///
    /// Called under the genl lock, while the module that registered the operations cannot be unloaded.
    fn create(
        &self,
        ns: &Namespace,
        tunnel: &RcuArc<Tunnel>,
        session_id: u32,
        peer_session_id: u32,
        config: &SessionConfig,
    ) -> Result;
}

/// Number of pseudowire types, with those that nobody implements.
const TYPES: usize = PwType::MAX as usize;

/// What was registered for a pseudowire type.
#[derive(Clone, Copy)]
struct Entry {
    ops: &'static dyn PseudowireOps,
    module: &'static ThisModule,
}

static ENTRIES: Protected<[Option<Entry>; TYPES]> = Protected::new([None; TYPES]);

/// Keeps operations registered.
pub struct Registration {
    pw_type: PwType,
}

/// Registers operations for a pseudowire type. Takes the genl lock.
///
/// # Errors
///
/// `EINVAL` if there is no such type, `EBUSY` if it already has operations.
pub fn register(
    pw_type: PwType,
    ops: &'static dyn PseudowireOps,
    module: &'static ThisModule,
) -> Result<Registration> {
    let mut lock = genl::lock();
    let entry = ENTRIES
        .get_mut(lock.held())
        .get_mut(usize::from(pw_type.0))
        .ok_or(EINVAL)?;
    if entry.is_some() {
        return Err(EBUSY);
    }
    *entry = Some(Entry { ops, module });
    Ok(Registration { pw_type })
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut lock = genl::lock();
        if let Some(entry) = ENTRIES
            .get_mut(lock.held())
            .get_mut(usize::from(self.pw_type.0))
        {
            *entry = None;
        }
    }
}

/// Operations that are in use: their module stays.
pub(crate) struct Handler {
    entry: Entry,
    _module: ModuleRef,
}

impl core::ops::Deref for Handler {
    type Target = dyn PseudowireOps;

    fn deref(&self) -> &Self::Target {
        self.entry.ops
    }
}

/// Finds the operations of a pseudowire type, loading the module that has them if need be.
///
/// While it loads the genl lock is dropped, as the module's init takes it to register.
pub(crate) fn handler(request: &mut Request<'_>, pw_type: PwType) -> Option<Handler> {
    if find(request, pw_type).is_none() {
        if let Ok(alias) = CString::try_from_fmt(fmt!("net-l2tp-type-{}", pw_type.0)) {
            // What counts is whether there are operations now, not how loading them went.
            let _ = request.held().unlocked(|| request_module(&alias));
        }
    }
    let entry = find(request, pw_type)?;
    let module = ModuleRef::try_get(entry.module)?;
    Some(Handler {
        entry,
        _module: module,
    })
}

fn find(request: &mut Request<'_>, pw_type: PwType) -> Option<Entry> {
    *ENTRIES.get(request.held()).get(usize::from(pw_type.0))?
}
