// SPDX-License-Identifier: GPL-2.0

//! What a session's payload is, as the core sees it.

use crate::Session;
use core::any::Any;
use kernel::seq_file::SeqFile;
use net::{
    netdev::UnregisterList,
    rcu::Softirq,
    shared::{RcuArc, Shared},
    skb::{Load, SkBuff},
};

/// The end of a session's pseudowire: what takes received frames.
///
/// Implementations keep their module loaded for as long as they live, with a [`ModuleRef`](net::module::ModuleRef).
pub trait Pseudowire: AsAny + Send + Sync {
    /// Takes a received frame, which starts after all L2TP headers. `load` is what the frame counts as: with the L2TP headers.
    fn receive(&self, session: &Shared<Session>, skb: SkBuff, load: Load, softirq: Softirq<'_>);

    /// Takes a frame whose turn it is. Such frames arrive in order, one at a time: a lock of the session is held, so they must
    /// not be acted on before this returns.
    fn receive_in_order(
        &self,
        session: &Shared<Session>,
        skb: SkBuff,
        load: Load,
        softirq: Softirq<'_>,
    ) {
        self.receive(session, skb, load, softirq);
    }

    /// Whether payloads are Ethernet frames that may be merged before they are received.
    fn may_merge(&self, _softirq: Softirq<'_>) -> bool {
        false
    }

    /// The session ended: it is not found any more. Called once, in process context, and may sleep.
    ///
    /// A network device goes to `devices`, which unregisters those of many sessions together.
    fn close(&self, session: &RcuArc<Session>, devices: &mut UnregisterList);

    /// Writes the line that says which interface this is, if any: `   interface <name>\n`.
    fn show(&self, _session: &Shared<Session>, _file: &SeqFile) {}
}

/// What can be asked for its type: lets a module find its own pseudowire in a session, see [`Session::pseudowire_as`].
pub trait AsAny {
    /// The same, as [`Any`].
    fn as_any(&self) -> &dyn Any;
}

impl<T: Any> AsAny for T {
    fn as_any(&self) -> &dyn Any {
        self
    }
}
