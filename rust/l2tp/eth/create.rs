// SPDX-License-Identifier: GPL-2.0

//! Making a session with its network device, as netlink asks for.

use crate::{
    interface::Interface,
    pseudowire::EthernetPseudowire,
    LocalModule, //
};
use kernel::prelude::*;
use l2tp_core::{
    Encap,
    IfName,
    NetState,
    Pseudowire,
    RcuArc,
    Session,
    SessionConfig,
    Tunnel, //
};
use l2tp_netlink::PseudowireOps;
use net::{
    module::{
        this_module,
        ModuleRef, //
    },
    namespace::Namespace,
    netdev::{
        Config,
        DeviceSlot,
        NameAssignment,
        NewDevice,
        Rtnl, //
    },
};

/// Bytes of an Ethernet header.
const ETHERNET_HEADER: u32 = 14;
/// Bytes of a UDP header.
const UDP_HEADER: u32 = 8;
/// MTU of an Ethernet, from which a device's is reckoned if that of the path is not known.
const ETHERNET_MTU: u32 = 1500;
/// Largest MTU.
const MAX_MTU: u32 = 65535;
/// The name of a device that nobody named.
const DEFAULT_NAME: &[u8] = b"l2tpeth%d";

/// Creates Ethernet sessions.
pub(crate) struct Ethernet;

impl PseudowireOps for Ethernet {
    fn create(
        &self,
        ns: &Namespace,
        tunnel: &RcuArc<Tunnel>,
        session_id: u32,
        peer_session_id: u32,
        config: &SessionConfig,
    ) -> Result {
        match create(ns, tunnel, session_id, peer_session_id, config) {
            // The name, or what else is in the way, may belong to a session that was deleted but has not ended yet.
            Err(error) if error == EEXIST => {
                NetState::of(ns)?.settle();
                create(ns, tunnel, session_id, peer_session_id, config)
            }
            result => result,
        }
    }
}

/// Creates a session and its device.
fn create(
    ns: &Namespace,
    tunnel: &RcuArc<Tunnel>,
    session_id: u32,
    peer_session_id: u32,
    config: &SessionConfig,
) -> Result {
    let slot = DeviceSlot::new()?;
    let module = ModuleRef::try_get(this_module::<LocalModule>()).ok_or(ENODEV)?;
    let pseudowire: KBox<dyn Pseudowire> = KBox::new(
        EthernetPseudowire {
            device: slot.clone(),
            _module: module,
        },
        GFP_KERNEL,
    )?;
    let session = Session::new(tunnel, session_id, peer_session_id, config, pseudowire)?;
    let (name, name_assignment) = match &config.ifname {
        Some(name) => (name.as_bytes(), NameAssignment::User),
        None => (DEFAULT_NAME, NameAssignment::Enumerated),
    };
    let device = NewDevice::new(
        ns,
        &Config {
            name,
            name_assignment,
            mtu: mtu(tunnel, session.header_len()),
            max_mtu: MAX_MTU,
            needed_headroom: session.headroom(ETHERNET_HEADER as usize, 0),
        },
        Interface {
            session: session.clone(),
        },
    )?;

    // Who deletes the session waits for RTNL before it ends the device: it finds one, or there will never be one.
    let rtnl = Rtnl::lock();
    Session::register(&session)?;
    match device.register(&rtnl, &slot) {
        Ok(name) => {
            if let Some(name) = IfName::new(name.as_bytes()) {
                session.set_ifname(name);
            }
            Ok(())
        }
        Err(error) => {
            drop(rtnl);
            Session::delete(&session);
            Err(error)
        }
    }
}

/// The MTU of a device, in bytes.
fn mtu(tunnel: &Tunnel, header_len: usize) -> u32 {
    let outer_udp = match tunnel.encap() {
        Encap::Udp => UDP_HEADER,
        Encap::Ip => 0,
    };
    let overhead = u32::try_from(header_len)
        .unwrap_or(u32::MAX)
        .saturating_add(outer_udp)
        .saturating_add(tunnel.socket().ip_overhead())
        .saturating_add(ETHERNET_HEADER);
    tunnel
        .socket()
        .route()
        .and_then(|route| route.mtu.checked_sub(overhead))
        .filter(|mtu| *mtu <= MAX_MTU)
        .unwrap_or(ETHERNET_MTU.saturating_sub(overhead))
}
