// SPDX-License-Identifier: GPL-2.0

//! Routes of a tunnel's socket: the one that it has cached, and the lookup of another one by what the socket says.

use super::Hosts;
use crate::{
    rcu::Softirq,
    skb::Reason,
    sock::{Family, Socket, AF_INET6},
};
use core::{ffi::c_void, ptr::null_mut};
use kernel::prelude::*;
use net_bindings as c;

/// Own port and the peer's, in network order.
pub(super) type Ports = (c::__be16, c::__be16);

/// What a socket's route is looked up by.
///
/// Whoever changes one of these in a socket resets or replaces its cached route afterwards, except for the IPv4 options.
#[derive(PartialEq)]
pub(super) struct Inputs {
    state: u8,
    addresses: Addresses,
    pub(super) ports: Ports,
    device: c_int,
    mark: u32,
    policy: *const c_void,
}

#[derive(PartialEq)]
enum Addresses {
    V4(V4),
    V6(V6),
}

/// Own address and peer, and what else IPv4 routes are looked up by.
#[derive(PartialEq)]
struct V4 {
    local: c::__be32,
    peer: c::__be32,
    tos: u8,
    options: *mut c::ip_options_rcu,
}

/// The same for IPv6.
#[derive(PartialEq)]
struct V6 {
    local: [u32; 4],
    peer: [u32; 4],
    traffic_class: u8,
    flow_label: c::__be32,
    options: *mut c::ipv6_txoptions,
}

impl Inputs {
    /// Reads them as they are now.
    pub(super) fn of(socket: &Socket, _softirq: Softirq<'_>) -> Self {
        let (sk, inet) = (socket.as_ptr(), socket.inet());
        // SAFETY: An `inet_sock`, alive; an IPv6 socket has an `ipv6_pinfo`. Each field is read once. All views of an IPv6 address
        // are plain bytes.
        unsafe {
            let addresses = match unmapped_peer(socket) {
                Some(peer) => {
                    let np = (*inet).pinet6;
                    Addresses::V6(V6 {
                        local: (&raw const (*np).saddr).read_volatile().in6_u.u6_addr32,
                        peer: peer.in6_u.u6_addr32,
                        traffic_class: (&raw const (*np).tclass).read_volatile(),
                        flow_label: (&raw const (*np).flow_label).read_volatile(),
                        options: c::np_opt_rcu(np),
                    })
                }
                None => Addresses::V4(V4 {
                    local: (&raw const (*inet).inet_saddr).read_volatile(),
                    peer: ipv4_peer(sk),
                    tos: (&raw const (*inet).tos).read_volatile(),
                    options: (&raw const (*inet).inet_opt).read_volatile(),
                }),
            };
            Self {
                state: (&raw const (*sk).__sk_common.skc_state).read_volatile(),
                addresses,
                ports: ports(sk),
                device: (&raw const (*sk).__sk_common.skc_bound_dev_if).read_volatile(),
                mark: (&raw const (*sk).sk_mark).read_volatile(),
                policy: c::sk_policy_out(sk),
            }
        }
    }

    /// Whether they are those of IPv6.
    pub(super) fn is_v6(&self) -> bool {
        matches!(self.addresses, Addresses::V6(_))
    }

    /// Looks up a route by them, which comes with a count.
    ///
    /// # Errors
    ///
    /// [`Reason::NoRoute`].
    pub(super) fn look_up(
        &self,
        socket: &Socket,
        softirq: Softirq<'_>,
    ) -> Result<(Hosts, *mut c::dst_entry), Reason> {
        match &self.addresses {
            Addresses::V4(v4) => route_v4(socket, self, v4, softirq),
            Addresses::V6(v6) => route_v6(socket, self, v6),
        }
    }
}

/// Looks up an IPv4 route, which comes with a count.
fn route_v4(
    socket: &Socket,
    inputs: &Inputs,
    v4: &V4,
    softirq: Softirq<'_>,
) -> Result<(Hosts, *mut c::dst_entry), Reason> {
    let sk = socket.as_ptr();
    // SAFETY: Read of the socket by our caller, in the same section.
    let first_hop = unsafe { first_hop(v4.options, softirq) };
    let mut flow: c::flowi4 = pin_init::zeroed();
    // SAFETY: The socket is a live `inet_sock`; the flow is ours. It has what we have read, which its user may be changing.
    let rt = unsafe {
        c::inet_sk_init_flowi4(socket.inet(), &mut flow);
        flow.saddr = v4.local;
        flow.daddr = first_hop.unwrap_or(v4.peer);
        flow.uli.ports = flow_ports(inputs.ports);
        flow.__fl_common.flowic_oif = inputs.device;
        flow.__fl_common.flowic_mark = inputs.mark;
        c::flowi4_set_tos(&mut flow, v4.tos);
        c::ip_route_output_flow(c::sock_net(sk), &mut flow, sk)
    };
    let rt = kernel::error::from_err_ptr(rt).map_err(|_| {
        // SAFETY: The socket, and so its namespace, is alive.
        unsafe { c::IP_INC_STATS(c::sock_net(sk), c::IPSTATS_MIB_OUTNOROUTES as c_int) };
        Reason::NoRoute
    })?;
    let hosts = Hosts::V4 {
        local: flow.saddr,
        next: flow.daddr,
        peer: if first_hop.is_some() {
            v4.peer
        } else {
            flow.daddr
        },
        options: !v4.options.is_null(),
    };
    // The first member of an IPv4 route is the `dst_entry`.
    Ok((hosts, rt.cast()))
}

/// Looks up an IPv6 route, which comes with a count.
fn route_v6(
    socket: &Socket,
    inputs: &Inputs,
    v6: &V6,
) -> Result<(Hosts, *mut c::dst_entry), Reason> {
    let sk = socket.as_ptr();
    let mut flow: c::flowi6 = pin_init::zeroed();
    let mut final_dst: c::in6_addr = pin_init::zeroed();
    let mut peer: c::in6_addr = pin_init::zeroed();
    peer.in6_u.u6_addr32 = v6.peer;
    // SAFETY: The socket is a live IPv6 socket; the flow and `final_dst` are ours. Options are freed after a grace period, and bottom
    // halves are disabled, which is a read-side critical section.
    let dst = unsafe {
        flow.__fl_common.flowic_proto = (*sk).sk_protocol as u8;
        flow.daddr = peer;
        flow.saddr.in6_u.u6_addr32 = v6.local;
        flow.flowlabel = v6.flow_label;
        c::IP6_ECN_flow_xmit(sk, &mut flow);
        flow.__fl_common.flowic_oif = inputs.device;
        flow.__fl_common.flowic_mark = inputs.mark;
        flow.uli.ports = flow_ports(inputs.ports);
        flow.__fl_common.flowic_uid = c::sk_uid(sk);
        c::security_sk_classify_flow6(sk, &mut flow);
        let final_p = if v6.options.is_null() {
            null_mut()
        } else {
            c::__fl6_update_dst(&mut flow, v6.options, &mut final_dst)
        };
        c::ip6_dst_lookup_flow(c::sock_net(sk), sk, &mut flow, final_p)
    };
    let dst = kernel::error::from_err_ptr(dst).map_err(|error| {
        // The socket's user learns of it from `SO_ERROR`, which exchanges it without a lock.
        // SAFETY: The socket is alive.
        unsafe { (&raw mut (*sk).sk_err_soft).write_volatile(-error.to_errno()) };
        Reason::NoRoute
    })?;
    let hosts = Hosts::V6 {
        local: flow.saddr,
        peer,
    };
    Ok((hosts, dst))
}

/// Where a packet with these options of an IPv4 socket, or none, goes to first, if they say so.
///
/// # Safety
///
/// `options` is null, or was read of the socket with this `_softirq`.
#[inline]
pub(super) unsafe fn first_hop(
    options: *const c::ip_options_rcu,
    _softirq: Softirq<'_>,
) -> Option<c::__be32> {
    // SAFETY: By the safety requirements, as IP options are freed after a grace period.
    let options = unsafe { options.as_ref() }?;
    (options.opt.srr != 0).then_some(options.opt.faddr)
}

/// Whom an IPv4 socket is connected to.
///
/// # Safety
///
/// The socket is alive.
#[inline]
pub(crate) unsafe fn ipv4_peer(sk: *const c::sock) -> c::__be32 {
    // SAFETY: By the safety requirements; the field is read once.
    unsafe {
        (&raw const (*sk)
            .__sk_common
            .__bindgen_anon_1
            .__bindgen_anon_1
            .skc_daddr)
            .read_volatile()
    }
}

/// The ports that the socket is bound and connected to.
///
/// # Safety
///
/// The socket is a live `inet_sock`.
#[inline]
pub(super) unsafe fn ports(sk: *const c::sock) -> Ports {
    // SAFETY: By the safety requirements; each field is read once.
    unsafe {
        (
            (&raw const (*sk.cast::<c::inet_sock>()).inet_sport).read_volatile(),
            (&raw const (*sk)
                .__sk_common
                .__bindgen_anon_3
                .__bindgen_anon_1
                .skc_dport)
                .read_volatile(),
        )
    }
}

#[inline]
pub(super) fn flow_ports((sport, dport): Ports) -> c::flowi_uli__bindgen_ty_1 {
    c::flowi_uli__bindgen_ty_1 { dport, sport }
}

/// Whom an IPv6 socket is connected to.
///
/// # Safety
///
/// The socket is alive, and one of IPv6.
#[inline]
pub(crate) unsafe fn ipv6_peer(sk: *const c::sock) -> c::in6_addr {
    // SAFETY: By the safety requirements; the field is read once.
    unsafe { (&raw const (*sk).__sk_common.skc_v6_daddr).read_volatile() }
}

/// Whom the socket is connected to if it sends over IPv6: not if that is an IPv4-mapped address.
#[inline]
pub(super) fn unmapped_peer(socket: &Socket) -> Option<c::in6_addr> {
    if socket.family() != AF_INET6 {
        return None;
    }
    // SAFETY: An IPv6 socket, alive.
    let peer = unsafe { ipv6_peer(socket.as_ptr()) };
    // SAFETY: A plain function of its argument.
    (!unsafe { c::ipv6_addr_v4mapped(&peer) }).then_some(peer)
}

/// The route that the socket has cached, or null.
#[inline]
pub(super) fn cached_route(socket: &Socket, _softirq: Softirq<'_>) -> *mut c::dst_entry {
    // SAFETY: The socket is alive; routes are freed after a grace period.
    unsafe { c::sk_dst_cache_rcu(socket.as_ptr()) }
}

/// The cached route if it is of the family and still good; else null.
///
/// An IPv6 socket can be connected to IPv4 and IPv6 peers in turn, and a route of the former peer's family can still be there.
///
/// # Safety
///
/// `cached` is null, or was read by [`cached_route`] with this `_softirq`.
#[inline]
pub(super) unsafe fn checked_route(
    cached: *mut c::dst_entry,
    family: Family,
    cookie: u32,
    _softirq: Softirq<'_>,
) -> *mut c::dst_entry {
    // SAFETY: By the safety requirements, as routes are freed after a grace period; their operations are static.
    unsafe {
        if cached.is_null() || (*(*cached).ops).family != family {
            return null_mut();
        }
        c::dst_check(cached, cookie)
    }
}

/// Whether what was read of the socket since its cached route belongs together with that.
///
/// connect() changes addresses, ports and route one after the other, but owns the socket meanwhile. So either it still does, or the
/// route is another one by now, or it was there before all that was read.
#[inline]
pub(super) fn is_settled(socket: &Socket, cached: *mut c::dst_entry, softirq: Softirq<'_>) -> bool {
    let busy = is_busy(socket);
    // SAFETY: A barrier.
    unsafe { c::smp_rmb() };
    !busy && core::ptr::eq(cached_route(socket, softirq), cached)
}

/// Whether the socket's user is at work on it, after all that was read before.
#[inline]
pub(super) fn is_busy(socket: &Socket) -> bool {
    // SAFETY: The socket is alive.
    unsafe {
        c::smp_rmb();
        c::sock_owned_by_user_nocheck(socket.as_ptr())
    }
}
