// SPDX-License-Identifier: GPL-2.0

//! Sending a tunnel's packets over IPv4 and IPv6.
//!
//! A [`Path`] is the way that a socket's packets take at this moment: addresses, ports and route, read once. No lock is held:
//! the socket's cached route is used under RCU and replaced atomically, so several CPUs can send through one socket, also while
//! its user is busy with it, connects it anew or disconnects it.

use crate::{
    rcu::{self, Softirq},
    skb::{Reason, SkBuff},
    sock::{Family, Socket, AF_INET, AF_INET6},
    udp,
};
use core::{marker::PhantomData, mem::MaybeUninit, ptr::null_mut};
use kernel::prelude::*;
use net_bindings as c;

/// The largest IP packet, and the largest UDP length, in bytes.
const MAX_LEN: usize = 0xffff;
/// Length of an IPv4 header without options, in bytes.
const IPV4_HEADER: usize = size_of::<c::iphdr>();
/// Length of the longest that there can be.
const LONGEST_IPV4_HEADER: usize = 60;

/// Addresses of a packet to be sent, in network order.
#[derive(Clone, Copy)]
enum Hosts {
    V4 {
        local: c::__be32,
        /// Where the packet goes to next.
        next: c::__be32,
        /// Where it goes to in the end: elsewhere if the socket has a source route.
        peer: c::__be32,
        /// Whether the socket has IP options.
        options: bool,
    },
    V6 {
        local: c::in6_addr,
        peer: c::in6_addr,
    },
}

impl Hosts {
    /// Length of the IP header, at most.
    #[inline]
    fn header_len(&self) -> usize {
        match self {
            Self::V4 { options: false, .. } => IPV4_HEADER,
            // The socket may get longer options until the IP layer reads them: no lock is held.
            Self::V4 { options: true, .. } => LONGEST_IPV4_HEADER,
            Self::V6 { .. } => 40,
        }
    }
}

/// The way that packets of a socket take, see the [module documentation](self).
///
/// # Invariants
///
/// `dst` is a valid route for `'a`: read under RCU, or counted if `counted`.
pub struct Path<'a> {
    socket: &'a Socket,
    hosts: Hosts,
    dst: *mut c::dst_entry,
    counted: bool,
    _softirq: PhantomData<Softirq<'a>>,
}

impl<'a> Path<'a> {
    /// Finds the path of `socket` now.
    ///
    /// # Errors
    ///
    /// [`Reason::NoRoute`] if there is no route, [`Reason::NotSpecified`] if the socket is no IP socket.
    #[inline]
    pub fn of(socket: &'a Socket, softirq: Softirq<'a>) -> Result<Self, Reason> {
        let (sk, inet) = (socket.as_ptr(), socket.inet());
        if socket.family() == AF_INET6 {
            // SAFETY: An IPv6 socket, alive.
            let peer = unsafe { ipv6_peer(sk) };
            // SAFETY: A plain function of its argument.
            if !unsafe { c::ipv6_addr_v4mapped(&peer) } {
                return Self::of_v6(socket, peer, softirq);
            }
        }
        // SAFETY: An `inet_sock`, alive; each field is read once.
        let (local, peer, opt) = unsafe {
            (
                (&raw const (*inet).inet_saddr).read_volatile(),
                ipv4_peer(sk),
                (&raw const (*inet).inet_opt).read_volatile(),
            )
        };
        // SAFETY: IP options are freed after a grace period, and `softirq` is a read-side critical section.
        let options = unsafe { opt.as_ref() };
        let first_hop = options
            .filter(|options| options.opt.srr != 0)
            .map(|options| options.opt.faddr);
        let (next, options) = (first_hop.unwrap_or(peer), options.is_some());
        let dst = cached_route(sk, AF_INET, 0, softirq);
        // A socket without addresses of its own gets them from the route: look it up for each packet.
        if !dst.is_null() && local != 0 && next != 0 {
            // INVARIANT: The route was read under RCU.
            return Ok(Self {
                socket,
                hosts: Hosts::V4 {
                    local,
                    next,
                    peer,
                    options,
                },
                dst,
                counted: false,
                _softirq: PhantomData,
            });
        }
        Self::route_v4(socket, peer, first_hop.is_some(), options)
    }

    /// Looks up an IPv4 route and stores it in the socket. `peer` is whom that was connected to a moment ago.
    #[cold]
    fn route_v4(
        socket: &'a Socket,
        peer: c::__be32,
        source_routed: bool,
        options: bool,
    ) -> Result<Self, Reason> {
        let sk = socket.as_ptr();
        let mut flow: c::flowi4 = pin_init::zeroed();
        // SAFETY: The socket is a live `inet_sock`; the flow is ours.
        let rt = unsafe {
            c::inet_sk_init_flowi4(socket.inet(), &mut flow);
            c::flowi4_set_tos(&mut flow, (*socket.inet()).tos);
            c::ip_route_output_flow(c::sock_net(sk), &mut flow, sk)
        };
        let rt = kernel::error::from_err_ptr(rt).map_err(|_| {
            // SAFETY: The socket, and so its namespace, is alive.
            unsafe { c::IP_INC_STATS(c::sock_net(sk), c::IPSTATS_MIB_OUTNOROUTES as c_int) };
            Reason::NoRoute
        })?;
        // SAFETY: The lookup returned a counted route, whose first member is the `dst_entry`. The socket gets a count of its
        // own, and we keep ours.
        unsafe {
            let dst: *mut c::dst_entry = rt.cast();
            c::dst_hold(dst);
            c::sk_dst_set(sk, dst);
            // The exchange above is a full barrier.
            if ipv4_peer(sk) != peer {
                // Somebody has connected the socket anew, and perhaps stored the right route before this one.
                c::sk_dst_set(sk, null_mut());
            }
            // INVARIANT: Counted.
            Ok(Self {
                socket,
                hosts: Hosts::V4 {
                    local: flow.saddr,
                    next: flow.daddr,
                    peer: if source_routed { peer } else { flow.daddr },
                    options,
                },
                dst,
                counted: true,
                _softirq: PhantomData,
            })
        }
    }

    #[inline]
    fn of_v6(socket: &'a Socket, peer: c::in6_addr, softirq: Softirq<'a>) -> Result<Self, Reason> {
        let sk = socket.as_ptr();
        // SAFETY: An IPv6 socket, alive, has an `ipv6_pinfo`.
        let (local, cookie) = unsafe {
            let np = (*socket.inet()).pinet6;
            (
                (&raw const (*np).saddr).read_volatile(),
                (&raw const (*np).dst_cookie).read_volatile(),
            )
        };
        let dst = cached_route(sk, AF_INET6, cookie, softirq);
        // SAFETY: All views of an address are plain bytes.
        let [l0, l1, l2, l3] = unsafe { local.in6_u.u6_addr32 };
        // As for IPv4.
        if dst.is_null() || (l0 | l1 | l2 | l3) == 0 {
            return Self::route_v6(socket, peer);
        }
        // INVARIANT: The route was read under RCU.
        Ok(Self {
            socket,
            hosts: Hosts::V6 { local, peer },
            dst,
            counted: false,
            _softirq: PhantomData,
        })
    }

    /// Looks up an IPv6 route and stores it in the socket.
    #[cold]
    fn route_v6(socket: &'a Socket, peer: c::in6_addr) -> Result<Self, Reason> {
        let (sk, inet) = (socket.as_ptr(), socket.inet());
        let mut flow: c::flowi6 = pin_init::zeroed();
        let mut final_dst: c::in6_addr = pin_init::zeroed();
        // SAFETY: The socket is a live IPv6 socket; the flow and `final_dst` are ours. Options are freed after a grace period,
        // and bottom halves are disabled, which is a read-side critical section.
        let dst = unsafe {
            let np = (*inet).pinet6;
            flow.__fl_common.flowic_proto = (*sk).sk_protocol as u8;
            flow.daddr = peer;
            flow.saddr = (*np).saddr;
            flow.flowlabel = (*np).flow_label;
            c::IP6_ECN_flow_xmit(sk, &mut flow);
            flow.__fl_common.flowic_oif = (*sk).__sk_common.skc_bound_dev_if;
            flow.__fl_common.flowic_mark = (*sk).sk_mark;
            flow.uli.ports = ports(sk);
            flow.__fl_common.flowic_uid = c::sk_uid(sk);
            c::security_sk_classify_flow6(sk, &mut flow);
            let opt = c::np_opt_rcu(np);
            let final_p = if opt.is_null() {
                null_mut()
            } else {
                c::__fl6_update_dst(&mut flow, opt, &mut final_dst)
            };
            c::ip6_dst_lookup_flow(c::sock_net(sk), sk, &mut flow, final_p)
        };
        let dst = kernel::error::from_err_ptr(dst).map_err(|error| {
            // The socket's user learns of it from `SO_ERROR`, which exchanges it without a lock.
            // SAFETY: The socket is alive.
            unsafe { (&raw mut (*sk).sk_err_soft).write_volatile(-error.to_errno()) };
            Reason::NoRoute
        })?;
        // SAFETY: The lookup returned a counted route. The socket gets a count of its own, and we keep ours. A reader that
        // meets the new cookie with the old route, or the reverse, looks up again.
        unsafe {
            (&raw mut (*(*inet).pinet6).dst_cookie).write_volatile(c::rt6_get_cookie(dst));
            c::dst_hold(dst);
            c::sk_dst_set(sk, dst);
            // As for IPv4.
            if ipv6_peer(sk).in6_u.u6_addr32 != peer.in6_u.u6_addr32 {
                c::sk_dst_set(sk, null_mut());
            }
        }
        // INVARIANT: Counted.
        Ok(Self {
            socket,
            hosts: Hosts::V6 {
                local: flow.saddr,
                peer,
            },
            dst,
            counted: true,
            _softirq: PhantomData,
        })
    }

    /// Bytes that the IP header and those below it will take in front of the packet.
    #[inline]
    pub fn headroom(&self) -> usize {
        // SAFETY: The route is valid by the type invariant; its device is freed after a grace period.
        let link = unsafe { c::LL_RESERVED_SPACE(c::dst_dev_rcu(self.dst)) };
        self.hosts.header_len().wrapping_add(link as usize)
    }

    /// Whether the route leads out of the very device that `skb` is on: it would come back for ever.
    #[inline]
    pub fn leads_back(&self, skb: &SkBuff) -> bool {
        // SAFETY: As for `headroom()`.
        core::ptr::eq(unsafe { c::dst_dev_rcu(self.dst) }, skb.device_address())
    }

    /// Puts a UDP header in front of `skb` and sends it to the socket's peer. If it is to be split, it is an Ethernet frame behind
    /// headers which are the same for all parts.
    ///
    /// # Errors
    ///
    /// The packet is gone in any case; an error says that it was not sent. Congestion is no error.
    #[inline]
    pub fn send_udp(&mut self, mut skb: SkBuff) -> Result<(), Reason> {
        let sk = self.socket.as_ptr();
        let len = skb.len().wrapping_add(udp::HEADER_LEN);
        if len > MAX_LEN {
            skb.discard(Reason::TooBig);
            return Err(Reason::TooBig);
        }
        // SAFETY: A live `inet_sock`; each field is read once.
        let (source, dest) = unsafe {
            (
                (&raw const (*self.socket.inet()).inet_sport).read_volatile(),
                (&raw const (*sk)
                    .__sk_common
                    .__bindgen_anon_3
                    .__bindgen_anon_1
                    .skc_dport)
                    .read_volatile(),
            )
        };
        // SAFETY: A live UDP socket of the family, as the addresses say; flags that are read once.
        let no_checksum = unsafe {
            match self.hosts {
                Hosts::V4 { .. } => c::sk_no_check_tx(sk),
                Hosts::V6 { .. } => c::udp_get_no_check6_tx(sk),
            }
        };
        if skb.is_gso() && skb.encapsulate_unsplit().is_err() {
            skb.discard(Reason::NoMemory);
            return Err(Reason::NoMemory);
        }
        let Some(header) = skb
            .push(udp::HEADER_LEN)
            .and_then(|h| h.first_chunk_mut::<8>())
        else {
            skb.discard(Reason::NoMemory);
            return Err(Reason::NoMemory);
        };
        // The ports are in network order already; the checksum comes below.
        let [s0, s1] = source.to_ne_bytes();
        let [d0, d1] = dest.to_ne_bytes();
        let [l0, l1] = (len as u16).to_be_bytes();
        *header = [s0, s1, d0, d1, l0, l1, 0, 0];
        skb.reset_transport_header();
        match &self.hosts {
            // SAFETY: The packet has a UDP header as its transport header; the addresses are readable.
            Hosts::V4 { local, peer, .. } => unsafe {
                c::udp_set_csum(no_checksum, skb.as_ptr(), *local, *peer, len as c_int);
            },
            // SAFETY: As above.
            Hosts::V6 { local, peer } => unsafe {
                c::udp6_set_csum(no_checksum, skb.as_ptr(), local, peer, len as c_int);
            },
        }
        self.send_ip(skb)
    }

    /// Puts an IP header in front of `skb` and sends it to the socket's peer.
    ///
    /// # Errors
    ///
    /// As [`Path::send_udp`].
    #[inline]
    pub fn send_ip(&mut self, mut skb: SkBuff) -> Result<(), Reason> {
        let sk = self.socket.as_ptr();
        let header = match self.hosts {
            // The length in an IPv6 header does not count the header.
            Hosts::V6 { .. } => 0,
            Hosts::V4 { .. } => self.hosts.header_len(),
        };
        if skb.len().wrapping_add(header) > MAX_LEN {
            skb.discard(Reason::TooBig);
            return Err(Reason::TooBig);
        }
        skb.drop_dst();
        if let Hosts::V4 {
            local,
            next,
            options: false,
            ..
        } = self.hosts
        {
            let Some(header) = skb
                .push(IPV4_HEADER)
                .and_then(|h| h.first_chunk_mut::<IPV4_HEADER>())
            else {
                skb.discard(Reason::NoMemory);
                return Err(Reason::NoMemory);
            };
            self.write_ipv4_header(header, local, next);
            skb.reset_network_header();
        }
        let skb = skb.into_raw();
        // SAFETY: The packet is ours, and given away with its route: a count of it if we have one, else borrowed under RCU,
        // which lasts until after the output function. That consumes the packet, reads only the addresses (and for IPv6 what
        // tells one flow from others) of the flow since the packet has a route, and needs no lock.
        let result = unsafe {
            c::skb_set_ignore_df(skb);
            if self.counted {
                c::skb_dst_set(skb, self.dst);
                // INVARIANT: Routes are freed after a grace period. This one was counted within the read-side section `'a`, so it is
                // valid until that ends, as one that was read under RCU.
                self.counted = false;
            } else {
                c::skb_dst_set_noref(skb, self.dst);
            }
            match self.hosts {
                Hosts::V4 { options: false, .. } => {
                    // IPsec takes a count of a borrowed route, and there demands this very lock. The other functions take it themselves.
                    let _read = rcu::read_lock();
                    let net = c::sock_net(sk);
                    c::ip_select_first_ident(net, skb, sk);
                    c::skb_set_priority_and_mark(skb, sk);
                    c::ip_local_out(net, sk, skb)
                }
                Hosts::V4 { local, next, .. } => {
                    let mut flow = MaybeUninit::<c::flowi>::uninit();
                    let ip4 = &raw mut (*flow.as_mut_ptr()).u.ip4;
                    (*ip4).saddr = local;
                    (*ip4).daddr = next;
                    c::__ip_queue_xmit(sk, skb, flow.as_mut_ptr(), (*self.socket.inet()).tos)
                }
                Hosts::V6 { local, peer } => {
                    let np = (*self.socket.inet()).pinet6;
                    let mut flow: c::flowi6 = pin_init::zeroed();
                    flow.saddr = local;
                    flow.daddr = peer;
                    flow.flowlabel = (*np).flow_label;
                    flow.__fl_common.flowic_proto = (*sk).sk_protocol as u8;
                    flow.uli.ports = ports(sk);
                    c::skb_orphan_unless_inet(skb);
                    c::ip6_xmit(
                        sk,
                        skb,
                        &mut flow,
                        (*sk).sk_mark,
                        c::np_opt_rcu(np),
                        c_int::from((*np).tclass),
                        (*sk).sk_priority,
                    )
                }
            }
        };
        // Positive values say that a queue was congested, which is not an error of the tunnel.
        if result < 0 {
            Err(Reason::NotSpecified)
        } else {
            Ok(())
        }
    }

    /// Writes an IPv4 header without options, which may be fragmented (RFC 791 section 3.1). Length, identification and checksum are left
    /// to the IP layer.
    ///
    /// We write it since `__ip_queue_xmit()` reads the socket's options once more, and trusts that there is room for them: they may be
    /// others by then.
    #[inline]
    fn write_ipv4_header(&self, header: &mut [u8; IPV4_HEADER], local: c::__be32, next: c::__be32) {
        let (sk, inet) = (self.socket.as_ptr(), self.socket.inet());
        // SAFETY: A live `inet_sock`; each field is read once. The route is valid by the type invariant.
        let (tos, ttl, protocol) = unsafe {
            (
                (&raw const (*inet).tos).read_volatile(),
                match (&raw const (*inet).uc_ttl).read_volatile() {
                    ttl if ttl < 0 => c::ip4_dst_hoplimit(self.dst),
                    ttl => ttl.into(),
                },
                (*sk).sk_protocol,
            )
        };
        let [s0, s1, s2, s3] = local.to_ne_bytes();
        let [d0, d1, d2, d3] = next.to_ne_bytes();
        // CAST: Protocols of IP and hop limits have 8 bits.
        *header = [
            0x45,
            tos,
            0,
            0,
            0,
            0,
            0,
            0,
            ttl as u8,
            protocol as u8,
            0,
            0,
            s0,
            s1,
            s2,
            s3,
            d0,
            d1,
            d2,
            d3,
        ];
    }
}

/// Whether a packet that is to be split into some of up to `len` bytes, sent in a UDP tunnel through `socket`, will be when it leaves:
/// by this machine, by its hardware, or, if the user of the tunnel says that whoever gets it can do that, `trusted`, later. No if the
/// route is not known yet.
///
/// Not if they are too long for the route, and have to be fragmented: the IP layer, which would notice that and split the packet
/// before, counts no UDP header inside of a tunnel (`skb_gso_transport_seglen()`), and lets some out that are up to 8 bytes too long.
/// Nor if the socket has IP options, whose length is not counted here.
///
/// On a link inside of the machine it is passed on as it is: the device says that it can split such packets, since whoever gets them
/// may be able to. A tunnel's driver is; a program that reads a UDP socket is not. Not with checksums in the UDP headers: some are
/// wrong then.
pub fn splits_tunnelled(socket: &Socket, len: usize, trusted: bool, softirq: Softirq<'_>) -> bool {
    const SPLITS: c::netdev_features_t = c::NETIF_F_GSO_UDP_TUNNEL | c::NETIF_F_GSO_UDP_TUNNEL_CSUM;

    let sk = socket.as_ptr();
    // SAFETY: A live UDP socket; each field is read once. A socket of family `AF_INET6` has an `ipv6_pinfo`. Options are only looked
    // for.
    let (family, cookie, no_checksum, header, options) = unsafe {
        let inet = socket.inet();
        match socket.family() {
            AF_INET6 if !c::ipv6_addr_v4mapped(&(*sk).__sk_common.skc_v6_daddr) => (
                AF_INET6,
                (&raw const (*(*inet).pinet6).dst_cookie).read_volatile(),
                c::udp_get_no_check6_tx(sk),
                40,
                !c::np_opt_rcu((*inet).pinet6).is_null(),
            ),
            _ => (
                AF_INET,
                0,
                c::sk_no_check_tx(sk),
                20,
                !(&raw const (*inet).inet_opt).read_volatile().is_null(),
            ),
        }
    };
    if !no_checksum || options {
        return false;
    }
    let dst = cached_route(sk, family, cookie, softirq);
    if dst.is_null() {
        return false;
    }
    // SAFETY: The route was read under RCU; its device is freed after a grace period. Features are read once, and the parent, which is
    // hardware, is there or not as long as the device is registered.
    unsafe {
        let dev = c::dst_dev_rcu(dst);
        let features = (&raw const (*dev).features).read_volatile();
        let len = len.wrapping_add(udp::HEADER_LEN).wrapping_add(header);
        len <= c::dst_mtu(dst) as usize
            && (trusted || features & SPLITS == 0 || !(*dev).dev.parent.is_null())
    }
}

impl Drop for Path<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.counted {
            // SAFETY: The count is ours by the type invariant.
            unsafe { c::dst_release(self.dst) }
        }
    }
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
unsafe fn ports(sk: *const c::sock) -> c::flowi_uli__bindgen_ty_1 {
    // SAFETY: By the safety requirements; each field is read once.
    unsafe {
        c::flowi_uli__bindgen_ty_1 {
            sport: (&raw const (*sk.cast::<c::inet_sock>()).inet_sport).read_volatile(),
            dport: (&raw const (*sk)
                .__sk_common
                .__bindgen_anon_3
                .__bindgen_anon_1
                .skc_dport)
                .read_volatile(),
        }
    }
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

/// The route that the socket has cached, if it is still good; else null.
///
/// An IPv6 socket can be connected to IPv4 and IPv6 peers in turn, and a route of the former peer's family can still be there.
#[inline]
fn cached_route(
    sk: *mut c::sock,
    family: Family,
    cookie: u32,
    _softirq: Softirq<'_>,
) -> *mut c::dst_entry {
    // SAFETY: The socket is alive; routes are freed after a grace period, and their operations are static.
    unsafe {
        let dst = c::sk_dst_cache_rcu(sk);
        if dst.is_null() || (*(*dst).ops).family != family {
            return null_mut();
        }
        c::dst_check(dst, cookie)
    }
}
