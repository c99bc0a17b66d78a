// SPDX-License-Identifier: GPL-2.0

//! IPv6: addresses of the host, and sending a datagram with all that IPv6 sockets can send with it.

use super::{
    family::{network_header, Handler, Sealed},
    Family, InetSocket, Locked, Message, Protocol,
};
use crate::{error::EADDRNOTAVAIL, namespace::Namespace, sock::AF_INET6};
use core::{mem::size_of, ptr::null_mut};
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
};
use net_bindings as c;

/// IPv6.
pub enum V6 {}

/// The traffic class and flow label in a `flowinfo`, in network order, and the flow label alone.
const FLOWINFO_MASK: u32 = 0x0fff_ffffu32.to_be();
const FLOWLABEL_MASK: u32 = 0x000f_ffffu32.to_be();
/// An IPv4 address that means an IPv6 socket: 127.0.0.6.
const LOOPBACK4_IPV6: u32 = 0x7f00_0006u32.to_be();

/// What kind of address it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind(u32);

impl Kind {
    /// The kind of `address`.
    pub fn of(address: [u8; 16]) -> Self {
        // SAFETY: A plain function of its argument. CAST: A mask, whose upper half is the scope.
        Self(unsafe { c::__ipv6_addr_type(&in6_addr(address)) } as u32 & 0xffff)
    }

    /// ::
    pub fn is_any(self) -> bool {
        self.0 == c::IPV6_ADDR_ANY
    }

    /// An IPv4 address, ::ffff:a.b.c.d.
    pub fn is_mapped(self) -> bool {
        self.0 == c::IPV6_ADDR_MAPPED
    }

    /// A group's.
    pub fn is_multicast(self) -> bool {
        self.0 & c::IPV6_ADDR_MULTICAST != 0
    }

    /// Only unique with a device.
    pub fn is_link_local(self) -> bool {
        self.0 & c::IPV6_ADDR_LINKLOCAL != 0
    }
}

fn in6_addr(address: [u8; 16]) -> c::in6_addr {
    let mut addr: c::in6_addr = pin_init::zeroed();
    addr.in6_u.u6_addr8 = address;
    addr
}

fn bytes(address: &c::in6_addr) -> [u8; 16] {
    // SAFETY: All members of the union are plain bytes.
    unsafe { address.in6_u.u6_addr8 }
}

/// Checks that `address` is one of the host `ns`: if it is link-local, of its device with this index.
///
/// # Errors
///
/// `ENODEV` if there is no such device, `EADDRNOTAVAIL` if the address is not there.
pub fn check_local(ns: &Namespace, address: [u8; 16], device: u32) -> Result {
    let addr = in6_addr(address);
    let _rcu = crate::rcu::read_lock();
    // SAFETY: The namespace is alive; devices are freed after a grace period, and this is a read-side critical section.
    unsafe {
        let mut dev = null_mut();
        if Kind::of(address).is_link_local() {
            // CAST: An index that is no positive `int` is none that a device has.
            dev = c::dev_get_by_index_rcu(ns.as_ptr(), device as c_int);
            if dev.is_null() {
                return Err(ENODEV);
            }
        }
        if c::ipv6_chk_addr(ns.as_ptr(), &addr, dev, 0) == 0 {
            return Err(EADDRNOTAVAIL);
        }
    }
    Ok(())
}

impl Sealed for V6 {}

impl Family for V6 {
    type Address = [u8; 16];
    type Private = c::ipv6_pinfo;
    type Handler = c::inet6_protocol;

    const AF: u16 = AF_INET6;
    const QUEUE_FULL: c_int = -1;

    fn fill_ops(ops: &mut c::proto_ops) {
        ops.release = Some(c::inet6_release);
        ops.bind = Some(c::inet6_bind);
        ops.ioctl = Some(c::inet6_ioctl);
        #[cfg(CONFIG_COMPAT)]
        {
            ops.compat_ioctl = Some(c::inet6_compat_ioctl);
        }
    }

    fn fill_proto(proto: &mut c::proto) {
        proto.setsockopt = Some(c::ipv6_setsockopt);
        proto.getsockopt = Some(c::ipv6_getsockopt);
    }

    fn fill_handler(handler: &mut c::inet6_protocol, receive: Handler) {
        handler.handler = Some(receive);
    }

    unsafe fn add_handler(handler: *mut c::inet6_protocol, number: u8) -> c_int {
        // SAFETY: By the safety requirements.
        unsafe { c::inet6_add_protocol(handler, number) }
    }

    unsafe fn remove_handler(handler: *mut c::inet6_protocol, number: u8) {
        // SAFETY: By the safety requirements.
        unsafe { c::inet6_del_protocol(handler, number) };
    }

    unsafe fn add_switch(switch: *mut c::inet_protosw) -> c_int {
        // SAFETY: By the safety requirements.
        unsafe { c::inet6_register_protosw(switch) }
    }

    unsafe fn remove_switch(switch: *mut c::inet_protosw) {
        // SAFETY: By the safety requirements.
        unsafe { c::inet6_unregister_protosw(switch) }
    }

    unsafe fn connect(sk: *mut c::sock, address: *mut c::sockaddr_unsized, len: c_int) -> c_int {
        // SAFETY: By the safety requirements.
        unsafe { c::__ip6_datagram_connect(sk, address, len) }
    }

    unsafe fn flush(sk: *mut c::sock) {
        // SAFETY: By the safety requirements.
        unsafe {
            c::lock_sock(sk);
            c::ip6_flush_pending_frames(sk);
            c::release_sock(sk);
        }
    }

    #[inline]
    unsafe fn local(sk: *mut c::sock) -> [u8; 16] {
        // SAFETY: By the safety requirements.
        unsafe { bytes(&(&raw const (*sk).__sk_common.skc_v6_rcv_saddr).read_volatile()) }
    }

    #[inline]
    unsafe fn source(sk: *mut c::sock) -> [u8; 16] {
        // SAFETY: By the safety requirements.
        unsafe {
            let np = (*sk.cast::<c::inet_sock>()).pinet6;
            bytes(&(&raw const (*np).saddr).read_volatile())
        }
    }

    #[inline]
    unsafe fn peer(sk: *mut c::sock) -> [u8; 16] {
        // SAFETY: By the safety requirements.
        unsafe { bytes(&crate::inet::ipv6_peer(sk)) }
    }

    unsafe fn receive_control(sk: *mut c::sock, msg: *mut c::msghdr, skb: *mut c::sk_buff) {
        // SAFETY: By the safety requirements.
        unsafe {
            let np = (*sk.cast::<c::inet_sock>()).pinet6;
            if (*np).rxopt.all != 0 {
                c::ip6_datagram_recv_ctl(sk, msg, skb);
            }
        }
    }

    #[inline]
    unsafe fn packet_source(skb: *const c::sk_buff) -> [u8; 16] {
        // SAFETY: By the safety requirements.
        unsafe {
            network_header(skb)
                .add(8)
                .cast::<[u8; 16]>()
                .read_unaligned()
        }
    }

    #[inline]
    unsafe fn packet_destination(skb: *const c::sk_buff) -> [u8; 16] {
        // SAFETY: By the safety requirements.
        unsafe {
            network_header(skb)
                .add(24)
                .cast::<[u8; 16]>()
                .read_unaligned()
        }
    }

    #[inline]
    unsafe fn packet_interface(skb: *const c::sk_buff) -> c_int {
        // SAFETY: By the safety requirements.
        unsafe { c::inet6_iif(skb) }
    }
}

impl<P: Protocol<Family = V6>> InetSocket<P> {
    fn pinfo(&self) -> *mut c::ipv6_pinfo {
        // SAFETY: An IPv6 socket, alive, has one.
        unsafe { (*self.inet()).pinet6 }
    }

    /// The flow label that the socket sends with, as a `flowinfo` in network order; 0 if its user did not ask for flow labels.
    pub fn flow_label(&self) -> u32 {
        // SAFETY: Alive by the type invariant.
        unsafe {
            if c::inet6_test_bit_sndflow(self.as_ptr()) {
                (*self.pinfo()).flow_label
            } else {
                0
            }
        }
    }
}

/// Whom to send a message to.
#[derive(Clone, Copy)]
pub struct Destination {
    /// Address; :: is the host itself.
    pub address: [u8; 16],
    /// Traffic class and flow label, in network order. Used if the socket's user asked for flow labels.
    pub flowinfo: u32,
    /// Index of the device; for a link-local address.
    pub scope: u32,
}

/// A flow label in use, or none.
struct FlowLabel(*mut c::ip6_flowlabel);

impl FlowLabel {
    /// # Safety
    ///
    /// `sk` must be a live IPv6 socket.
    unsafe fn of(sk: *mut c::sock, flowinfo: u32) -> Result<Self> {
        // SAFETY: By the safety requirements.
        let label = from_err_ptr(unsafe { c::fl6_sock_lookup(sk, flowinfo) });
        label.map(Self).map_err(|_| EINVAL)
    }
}

impl Drop for FlowLabel {
    fn drop(&mut self) {
        // SAFETY: Ours, or null.
        unsafe { c::fl6_sock_release(self.0) }
    }
}

/// A socket's transmit options in use, or none.
struct SocketOptions(*mut c::ipv6_txoptions);

impl Drop for SocketOptions {
    fn drop(&mut self) {
        // SAFETY: Ours, or null.
        unsafe { c::txopt_put(self.0) }
    }
}

/// A route in use.
struct Route(*mut c::dst_entry);

impl Drop for Route {
    fn drop(&mut self) {
        // SAFETY: Ours.
        unsafe { c::dst_release(self.0) }
    }
}

impl<P: Protocol<Family = V6>> Locked<'_, P> {
    /// Sets the address to receive at and to send from, and the device to be bound to (0: none).
    pub fn set_address(&self, address: [u8; 16], device: u32) {
        let (sk, inet) = (self.as_ptr(), self.inet());
        // Only :: has an IPv4 equivalent.
        let v4 = if Kind::of(address).is_any() {
            0
        } else {
            LOOPBACK4_IPV6
        };
        // SAFETY: Alive and locked by the type invariant.
        unsafe {
            (*inet).inet_saddr = v4;
            (*sk)
                .__sk_common
                .__bindgen_anon_1
                .__bindgen_anon_1
                .skc_rcv_saddr = v4;
            (*sk).__sk_common.skc_bound_dev_if = device as c_int;
            (*sk).__sk_common.skc_v6_rcv_saddr = in6_addr(address);
            (*self.pinfo()).saddr = in6_addr(address);
        }
    }
}

impl<P: Protocol<Family = V6>> InetSocket<P> {
    /// Sends a message of `len` bytes, with `header` in front, to `to`; if that is `None` to the connected peer.
    ///
    /// As for UDP: ancillary data decides about source, options, hop limit and traffic class; with `MSG_MORE` the next message
    /// continues this one; `MSG_PROBE` and `MSG_CONFIRM` do their work. Returns `len`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the flow label is not leased; those of ancillary data; no route: `ENETUNREACH` and the like; `EMSGSIZE`,
    /// `EAGAIN`, `ENOBUFS`, `EFAULT`; what the IP layer says.
    pub fn send(
        &self,
        message: &mut Message<'_>,
        len: usize,
        to: Option<Destination>,
        header: [u8; 4],
    ) -> Result<usize> {
        let (sk, np, msg) = (self.as_ptr(), self.pinfo(), message.as_ptr());
        let flags = message.flags();
        let header_len = header.len();
        let mut flow: c::flowi6 = pin_init::zeroed();
        let mut cookie: c::ipcm6_cookie = pin_init::zeroed();
        let mut space: c::ipv6_txoptions = pin_init::zeroed();
        let mut final_dst: c::in6_addr = pin_init::zeroed();
        let mut label = FlowLabel(null_mut());
        let mut held = SocketOptions(null_mut());

        // SAFETY: The socket is a live IPv6 socket and the message valid; everything else is ours. What is looked up is counted
        // and released when its owner above is dropped, after the last use. Fields of the socket that others may change are read
        // once each.
        unsafe {
            flow.__fl_common.flowic_mark = (&raw const (*sk).sk_mark).read_volatile();
            flow.__fl_common.flowic_uid = c::sk_uid(sk);
            c::ipcm6_init_sk(&mut cookie, sk);

            let destination = match to {
                Some(to) => {
                    if c::inet6_test_bit_sndflow(sk) {
                        flow.flowlabel = to.flowinfo & FLOWINFO_MASK;
                        if flow.flowlabel & FLOWLABEL_MASK != 0 {
                            label = FlowLabel::of(sk, flow.flowlabel)?;
                        }
                    }
                    if to.scope != 0 && Kind::of(to.address).is_link_local() {
                        flow.__fl_common.flowic_oif = to.scope as c_int;
                    }
                    to.address
                }
                None => {
                    flow.flowlabel = (*np).flow_label;
                    self.peer()
                }
            };
            if flow.__fl_common.flowic_oif == 0 {
                flow.__fl_common.flowic_oif = self.bound_device() as c_int;
            }

            let mut opt: *mut c::ipv6_txoptions = null_mut();
            if (*msg).msg_controllen != 0 {
                space.tot_len = size_of::<c::ipv6_txoptions>() as c_int;
                cookie.opt = &mut space;
                to_result(c::ip6_datagram_send_ctl(
                    c::sock_net(sk),
                    sk,
                    msg,
                    &mut flow,
                    &mut cookie,
                ))?;
                if flow.flowlabel & FLOWLABEL_MASK != 0 && label.0.is_null() {
                    label = FlowLabel::of(sk, flow.flowlabel)?;
                }
                if space.opt_nflen | space.opt_flen != 0 {
                    opt = &raw mut space;
                }
            }
            if opt.is_null() {
                held = SocketOptions(c::txopt_get(np));
                opt = held.0;
            }
            if !label.0.is_null() {
                opt = c::fl6_merge_options(&raw mut space, label.0, opt);
            }
            opt = c::ipv6_fixup_options(&raw mut space, opt);
            cookie.opt = opt;

            flow.__fl_common.flowic_proto = P::NUMBER;
            flow.daddr = in6_addr(destination);
            if Kind::of(destination).is_any() {
                flow.daddr.in6_u.u6_addr8[15] = 1;
            }
            if Kind::of(bytes(&flow.saddr)).is_any() {
                flow.saddr = in6_addr(self.source());
            }
            let final_p = c::fl6_update_dst(&mut flow, opt, &mut final_dst);
            if flow.__fl_common.flowic_oif == 0 {
                let oif = if Kind::of(bytes(&flow.daddr)).is_multicast() {
                    &raw const (*np).mcast_oif
                } else {
                    &raw const (*np).ucast_oif
                };
                flow.__fl_common.flowic_oif = oif.read_volatile();
            }
            c::security_sk_classify_flow6(sk, &mut flow);
            flow.flowlabel = c::ip6_make_flowinfo(cookie.tclass as c_uint, flow.flowlabel);

            let route = Route(from_err_ptr(c::ip6_dst_lookup_flow(
                c::sock_net(sk),
                sk,
                &mut flow,
                final_p,
            ))?);
            if cookie.hlimit < 0 {
                // CAST: At most 255.
                cookie.hlimit = c::ip6_sk_dst_hoplimit(np, &mut flow, route.0) as i16;
            }
            if flags & c::MSG_CONFIRM != 0 && flags & c::MSG_PROBE != 0 {
                c::dst_confirm_neigh(route.0, (&raw const flow.daddr).cast());
                if len == 0 {
                    return Ok(0);
                }
            }

            let _locked = self.lock();
            let queue = &raw mut (*sk).sk_write_queue;
            // Only the first part of a message has the header in front.
            let first = c::skb_peek(queue).is_null();
            let error = c::ip6_append_data(
                sk,
                Some(c::ip_generic_getfrag),
                msg.cast(),
                if first {
                    len.wrapping_add(header_len)
                } else {
                    len
                },
                header_len as c_int,
                &mut cookie,
                &mut flow,
                c::dst_rt6_info(route.0),
                flags,
            );
            if let Err(error) = to_result(error) {
                c::ip6_flush_pending_frames(sk);
                return Err(error);
            }
            if flags & c::MSG_MORE == 0 {
                let skb = c::skb_peek(queue);
                if !skb.is_null() {
                    let offset = (*skb).__bindgen_anon_4.headers.as_ref().transport_header;
                    (*skb)
                        .head
                        .add(usize::from(offset))
                        .cast::<[u8; 4]>()
                        .write_unaligned(header);
                    to_result(c::ip6_push_pending_frames(sk))?;
                }
            }
        }
        drop(held);
        Ok(len)
    }
}
