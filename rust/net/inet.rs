// SPDX-License-Identifier: GPL-2.0

//! Sending a tunnel's packets over IPv4 and IPv6.
//!
//! A [`Path`] is the way that a socket's packets take at this moment: addresses, ports and route, read once. No lock is held:
//! the socket's cached route is used under RCU and replaced atomically, so several CPUs can send through one socket, also while
//! its user is busy with it, connects it anew or disconnects it. While the user is, the cached route need not be that to the addresses:
//! each packet looks up its own then.

mod route;

pub(crate) use route::{ipv4_peer, ipv6_peer};

use crate::{
    rcu::{self, Softirq},
    skb::{Reason, SkBuff},
    sock::{Socket, AF_INET, AF_INET6},
    udp,
};
use core::{marker::PhantomData, mem::MaybeUninit, ptr::null_mut};
use kernel::prelude::*;
use net_bindings as c;
use route::{
    cached_route, checked_route, first_hop, flow_ports, is_busy, is_settled, ports, unmapped_peer,
    Inputs, Ports,
};

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
    ports: Ports,
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
        let cached = cached_route(socket, softirq);
        // SAFETY: A barrier.
        unsafe { c::smp_rmb() };
        if let Some(peer) = unmapped_peer(socket) {
            return Self::of_v6(socket, cached, peer, softirq);
        }
        // SAFETY: An `inet_sock`, alive; each field is read once.
        let (local, peer, options, ports) = unsafe {
            (
                (&raw const (*inet).inet_saddr).read_volatile(),
                ipv4_peer(sk),
                (&raw const (*inet).inet_opt).read_volatile(),
                ports(sk),
            )
        };
        // SAFETY: The options were read of the socket just above, and the route further above.
        let (first_hop, dst) = unsafe {
            (
                first_hop(options, softirq),
                checked_route(cached, AF_INET, 0, softirq),
            )
        };
        let next = first_hop.unwrap_or(peer);
        // A socket without addresses of its own gets them from the route: look it up for each packet.
        if dst.is_null() || local == 0 || next == 0 || !is_settled(socket, cached, softirq) {
            return Self::look_up(socket, softirq);
        }
        // INVARIANT: The route was read under RCU.
        Ok(Self {
            socket,
            hosts: Hosts::V4 {
                local,
                next,
                peer,
                options: !options.is_null(),
            },
            ports,
            dst,
            counted: false,
            _softirq: PhantomData,
        })
    }

    #[inline]
    fn of_v6(
        socket: &'a Socket,
        cached: *mut c::dst_entry,
        peer: c::in6_addr,
        softirq: Softirq<'a>,
    ) -> Result<Self, Reason> {
        let sk = socket.as_ptr();
        // SAFETY: An IPv6 socket, alive, has an `ipv6_pinfo`; each field is read once.
        let (local, cookie, ports) = unsafe {
            let np = (*socket.inet()).pinet6;
            (
                (&raw const (*np).saddr).read_volatile(),
                (&raw const (*np).dst_cookie).read_volatile(),
                ports(sk),
            )
        };
        // SAFETY: Our caller has read the route with this `softirq`.
        let dst = unsafe { checked_route(cached, AF_INET6, cookie, softirq) };
        // SAFETY: All views of an address are plain bytes.
        let [l0, l1, l2, l3] = unsafe { local.in6_u.u6_addr32 };
        // As for IPv4.
        if dst.is_null() || (l0 | l1 | l2 | l3) == 0 || !is_settled(socket, cached, softirq) {
            return Self::look_up(socket, softirq);
        }
        // INVARIANT: The route was read under RCU.
        Ok(Self {
            socket,
            hosts: Hosts::V6 { local, peer },
            ports,
            dst,
            counted: false,
            _softirq: PhantomData,
        })
    }

    /// Looks up a route, and stores it in the socket unless its user is at work on that.
    #[cold]
    fn look_up(socket: &'a Socket, softirq: Softirq<'a>) -> Result<Self, Reason> {
        let sk = socket.as_ptr();
        let inputs = Inputs::of(socket, softirq);
        // What its user does after this is found below.
        let busy = is_busy(socket);
        let (hosts, dst) = inputs.look_up(socket, softirq)?;
        if !busy {
            // SAFETY: The lookup returned a counted route. The socket gets a count of its own, and we keep ours.
            unsafe {
                if inputs.is_v6() {
                    c::ip6_dst_note((*socket.inet()).pinet6, dst);
                }
                c::dst_hold(dst);
                c::sk_dst_set(sk, dst);
                // The exchange above is a full barrier.
                if Inputs::of(socket, softirq) != inputs {
                    // Somebody has changed them, and perhaps reset the route, or stored the right one, before this one was stored.
                    c::sk_dst_set(sk, null_mut());
                }
            }
        }
        // INVARIANT: Counted.
        Ok(Self {
            socket,
            hosts,
            ports: inputs.ports,
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
        let (source, dest) = self.ports;
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
        let (header, v6_options) = match self.hosts {
            Hosts::V4 { .. } => (self.hosts.header_len(), null_mut()),
            // The length in an IPv6 header counts the headers behind it only.
            // SAFETY: An IPv6 socket, alive; its options are freed after a grace period, and bottom halves are disabled.
            Hosts::V6 { .. } => unsafe {
                let options = c::np_opt_rcu((*self.socket.inet()).pinet6);
                let len = options.as_ref().map_or(0, |options| {
                    usize::from(options.opt_nflen).wrapping_add(options.opt_flen.into())
                });
                (len, options)
            },
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
                    flow.uli.ports = flow_ports(self.ports);
                    c::skb_orphan_for_ip6(c::sock_net(sk), skb);
                    c::ip6_xmit(
                        sk,
                        skb,
                        &mut flow,
                        (*sk).sk_mark,
                        v6_options,
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
        match unmapped_peer(socket) {
            Some(_) => (
                AF_INET6,
                (&raw const (*(*inet).pinet6).dst_cookie).read_volatile(),
                c::udp_get_no_check6_tx(sk),
                40,
                !c::np_opt_rcu((*inet).pinet6).is_null(),
            ),
            None => (
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
    // SAFETY: Read just now.
    let dst = unsafe { checked_route(cached_route(socket, softirq), family, cookie, softirq) };
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
