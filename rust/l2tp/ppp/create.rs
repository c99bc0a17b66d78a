// SPDX-License-Identifier: GPL-2.0

//! Sessions that netlink asks for. They get a PPP channel when a socket is attached to them.

use crate::pseudowire::PppPseudowire;
use kernel::prelude::*;
use l2tp_core::{
    log,
    Pseudowire,
    RcuArc,
    Session,
    SessionConfig,
    Tunnel, //
};
use l2tp_netlink::PseudowireOps;
use net::namespace::Namespace;

/// Creates PPP sessions.
pub(crate) struct Ppp;

impl PseudowireOps for Ppp {
    fn create(
        &self,
        _ns: &Namespace,
        tunnel: &RcuArc<Tunnel>,
        session_id: u32,
        peer_session_id: u32,
        config: &SessionConfig,
    ) -> Result {
        let pseudowire: KBox<dyn Pseudowire> =
            KBox::new(PppPseudowire::without_socket()?, GFP_KERNEL)?;
        let session = Session::new(tunnel, session_id, peer_session_id, config, pseudowire)?;
        Session::register(&session)?;
        log!(session, Control, info, "{}: created\n");
        Ok(())
    }
}
