// SPDX-License-Identifier: GPL-2.0

//! IPv4: addresses of the host, and sending a datagram.

use super::{
    family::{network_header, Handler, Sealed},
    Family, Locked, Message, Protocol,
};
use crate::{error::EHOSTUNREACH, namespace::Namespace, sock::AF_INET};
use core::mem::{size_of, MaybeUninit};
use kernel::{
    error::{from_err_ptr, to_result},
    prelude::*,
};
use net_bindings as c;

/// IPv4.
pub enum V4 {}

/// What an address is to this host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// One of its own.
    Local,
    /// A group, or all hosts of a network. So is 0.0.0.0.
    Group,
    /// Somebody else's, or nobody's.
    Other,
}

/// What `address` is to the host `ns`.
pub fn kind(ns: &Namespace, address: [u8; 4]) -> Kind {
    // SAFETY: The namespace is alive.
    match unsafe { c::inet_addr_type(ns.as_ptr(), u32::from_ne_bytes(address)) } {
        c::RTN_LOCAL => Kind::Local,
        c::RTN_MULTICAST | c::RTN_BROADCAST => Kind::Group,
        _ => Kind::Other,
    }
}

impl Sealed for V4 {}

impl Family for V4 {
    type Address = [u8; 4];
    type Private = ();
    type Handler = c::net_protocol;

    const AF: u16 = AF_INET;
    /// Anything below would be taken for the number of another protocol.
    const QUEUE_FULL: c_int = 0;

    fn fill_ops(ops: &mut c::proto_ops) {
        ops.release = Some(c::inet_release);
        ops.bind = Some(c::inet_bind);
        ops.ioctl = Some(c::inet_ioctl);
    }

    fn fill_proto(proto: &mut c::proto) {
        proto.setsockopt = Some(c::ip_setsockopt);
        proto.getsockopt = Some(c::ip_getsockopt);
    }

    fn fill_handler(handler: &mut c::net_protocol, receive: Handler) {
        handler.handler = Some(receive);
    }

    unsafe fn add_handler(handler: *mut c::net_protocol, number: u8) -> c_int {
        // SAFETY: By the safety requirements.
        unsafe { c::inet_add_protocol(handler, number) }
    }

    unsafe fn remove_handler(handler: *mut c::net_protocol, number: u8) {
        // SAFETY: By the safety requirements.
        unsafe { c::inet_del_protocol(handler, number) };
    }

    unsafe fn add_switch(switch: *mut c::inet_protosw) -> c_int {
        // SAFETY: By the safety requirements.
        unsafe { c::inet_register_protosw(switch) };
        0
    }

    unsafe fn remove_switch(switch: *mut c::inet_protosw) {
        // SAFETY: By the safety requirements.
        unsafe { c::inet_unregister_protosw(switch) }
    }

    unsafe fn connect(sk: *mut c::sock, address: *mut c::sockaddr_unsized, len: c_int) -> c_int {
        // SAFETY: By the safety requirements.
        unsafe { c::__ip4_datagram_connect(sk, address, len) }
    }

    /// Nothing is queued before it is sent.
    unsafe fn flush(_sk: *mut c::sock) {}

    #[inline]
    unsafe fn local(sk: *mut c::sock) -> [u8; 4] {
        // SAFETY: By the safety requirements; read in one go.
        unsafe {
            (&raw const (*sk)
                .__sk_common
                .__bindgen_anon_1
                .__bindgen_anon_1
                .skc_rcv_saddr)
                .read_volatile()
                .to_ne_bytes()
        }
    }

    #[inline]
    unsafe fn source(sk: *mut c::sock) -> [u8; 4] {
        // SAFETY: By the safety requirements; read in one go.
        unsafe {
            (&raw const (*sk.cast::<c::inet_sock>()).inet_saddr)
                .read_volatile()
                .to_ne_bytes()
        }
    }

    #[inline]
    unsafe fn peer(sk: *mut c::sock) -> [u8; 4] {
        // SAFETY: By the safety requirements; read in one go.
        unsafe { crate::inet::ipv4_peer(sk).to_ne_bytes() }
    }

    unsafe fn receive_control(sk: *mut c::sock, msg: *mut c::msghdr, skb: *mut c::sk_buff) {
        // SAFETY: By the safety requirements.
        unsafe {
            if c::inet_cmsg_flags(sk.cast()) != 0 {
                c::ip_cmsg_recv(msg, skb);
            }
        }
    }

    #[inline]
    unsafe fn packet_source(skb: *const c::sk_buff) -> [u8; 4] {
        // SAFETY: By the safety requirements.
        unsafe {
            network_header(skb)
                .add(12)
                .cast::<[u8; 4]>()
                .read_unaligned()
        }
    }

    #[inline]
    unsafe fn packet_destination(skb: *const c::sk_buff) -> [u8; 4] {
        // SAFETY: By the safety requirements.
        unsafe {
            network_header(skb)
                .add(16)
                .cast::<[u8; 4]>()
                .read_unaligned()
        }
    }

    #[inline]
    unsafe fn packet_interface(skb: *const c::sk_buff) -> c_int {
        // SAFETY: By the safety requirements.
        unsafe { c::inet_iif(skb) }
    }
}

impl<P: Protocol<Family = V4>> Locked<'_, P> {
    /// Sets the address to receive at and the one to send from. All zero: any, and what the route says.
    pub fn set_addresses(&self, local: [u8; 4], source: [u8; 4]) {
        let sk = self.as_ptr();
        // SAFETY: Alive and locked by the type invariant.
        unsafe {
            (*sk)
                .__sk_common
                .__bindgen_anon_1
                .__bindgen_anon_1
                .skc_rcv_saddr = u32::from_ne_bytes(local);
            (*self.inet()).inet_saddr = u32::from_ne_bytes(source);
        }
    }

    /// Sends a message of `len` bytes, with `header` in front, in one packet to `to`; if that is `None` to the connected peer.
    ///
    /// Returns `len`. Does not wait for room. Ancillary data is ignored.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` if it does not fit an IP packet, or the path and must not be fragmented; `ENOMEM` if there is no room for it;
    /// `EFAULT`; `EHOSTUNREACH` if there is no route; what the IP layer says.
    pub fn send(
        &self,
        message: &mut Message<'_>,
        len: usize,
        to: Option<[u8; 4]>,
        header: [u8; 4],
    ) -> Result<usize> {
        const IP_HEADER: usize = size_of::<c::iphdr>();
        let (sk, inet) = (self.as_ptr(), self.inet());
        let payload = len.checked_add(header.len()).ok_or(EMSGSIZE)?;
        // SAFETY: The socket is alive and locked, which its options are changed with.
        let options = unsafe { (*inet).inet_opt.as_ref() }
            .map_or(0, |options| usize::from(options.opt.optlen));
        if payload > usize::from(u16::MAX) - IP_HEADER - options {
            return Err(EMSGSIZE);
        }
        // The IP header must be aligned.
        // SAFETY: A constant.
        let headroom = 2 + unsafe { c::NET_SKB_PAD() } as usize;
        // SAFETY: The socket is alive and locked. The buffer is large enough for what is reserved and put; it is freed unless it
        // is sent. CAST: Checked to be below 2^16.
        unsafe {
            let skb = c::sock_wmalloc(
                sk,
                (headroom + IP_HEADER + payload) as c_ulong,
                0,
                c::GFP_KERNEL,
            );
            if skb.is_null() {
                return Err(ENOMEM);
            }
            let skb = crate::skb::SkBuff::from_raw(skb);
            let raw = skb.as_ptr();
            let headers = (*raw).__bindgen_anon_4.headers.as_mut();
            headers.network_header = headroom as u16;
            headers.transport_header = (headroom + IP_HEADER) as u16;
            (*raw).data = (*raw).data.add(headroom + IP_HEADER);
            (*raw).tail = (*raw)
                .tail
                .wrapping_add((headroom + IP_HEADER) as c::sk_buff_data_t);
            let data = c::skb_put(raw, payload as c_uint).cast::<u8>();
            data.copy_from_nonoverlapping(header.as_ptr(), header.len());
            to_result(c::memcpy_from_msg(
                data.add(header.len()).cast(),
                message.as_ptr(),
                len as c_int,
            ))?;

            let mut flow = MaybeUninit::<c::flowi>::zeroed();
            let flow4 = &raw mut (*flow.as_mut_ptr()).u.ip4;
            c::inet_sk_init_flowi4(inet, flow4);
            let cached = match to {
                Some(to) => {
                    (*flow4).daddr = u32::from_ne_bytes(to);
                    core::ptr::null_mut()
                }
                None => c::sk_dst_check(sk, 0),
            };
            let dst = if cached.is_null() {
                let route = from_err_ptr(c::ip_route_output_flow(c::sock_net(sk), flow4, sk));
                let Ok(route) = route else {
                    c::IP_INC_STATS(c::sock_net(sk), c::IPSTATS_MIB_OUTNOROUTES as c_int);
                    return Err(EHOSTUNREACH);
                };
                // The route begins with its `dst_entry`.
                let dst: *mut c::dst_entry = route.cast();
                if to.is_none() {
                    // The socket gets a count of its own.
                    c::dst_hold(dst);
                    c::sk_setup_caps(sk, dst);
                }
                dst
            } else {
                cached
            };
            let raw = skb.into_raw();
            // The count goes with the packet.
            c::skb_dst_set(raw, dst);
            to_result(c::__ip_queue_xmit(sk, raw, flow.as_mut_ptr(), (*inet).tos))?;
        }
        Ok(len)
    }
}
