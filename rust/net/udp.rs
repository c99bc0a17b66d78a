// SPDX-License-Identifier: GPL-2.0

//! UDP sockets as tunnel ends: the kernel's encapsulation hooks.
//!
//! See [`attach`] for what such a socket does.
//!
//! C headers: [`include/net/udp_tunnel.h`](srctree/include/net/udp_tunnel.h), [`include/linux/udp.h`](srctree/include/linux/udp.h)

mod gro;

use crate::{
    namespace::Namespace,
    rcu::Softirq,
    skb::SkBuff,
    sock::{Endpoints, LockedSocket, Socket, SocketHandle},
};
use core::{
    ptr::null_mut,
    sync::atomic::{AtomicPtr, AtomicU8, Ordering},
};
use kernel::{error::to_result, prelude::*};
use net_bindings as c;

/// Length of a UDP header, in bytes.
pub const HEADER_LEN: usize = 8;

/// What became of a received datagram.
pub enum Verdict {
    /// It was taken.
    Consumed,
    /// It is not for the tunnel: the socket's user gets it.
    PassUp(SkBuff),
}

/// The receiving side of a UDP encapsulation.
pub trait Encapsulation: 'static {
    /// Value of the socket option `UDP_ENCAP` of such a socket.
    const TYPE: u8;

    /// A datagram arrived. `skb` starts after the UDP header.
    ///
    /// For [`Verdict::PassUp`] the buffer is given back with the same data pointer.
    fn receive(ns: &Namespace, socket: SocketKey, skb: SkBuff, softirq: Softirq<'_>) -> Verdict;

    /// Number of bytes, at most as many as an Ethernet and an IPv4 header have, that [`Encapsulation::shared_header`] looks at.
    const LONGEST_SHARED: usize;

    /// Length of the headers between UDP and the Ethernet frame in a datagram that begins with `start`, if it may be merged with
    /// others: these have the same headers, and the frames are of one TCP connection. [`Encapsulation::receive`] then gets one
    /// datagram, to be split into several, instead of these. `merged` is whether it is made of several already, which are lost if
    /// there is no length.
    fn shared_header(
        ns: &Namespace,
        socket: SocketKey,
        start: &[u8],
        merged: bool,
        softirq: Softirq<'_>,
    ) -> Option<usize>;

    /// The last user of the socket closes it. Process context.
    fn destroy(ns: &Namespace, socket: SocketKey);
}

/// Identifies a socket, as [`Socket::key`] does.
pub type SocketKey = usize;

/// Adapts an [`Encapsulation`] to the kernel's callbacks.
struct Adapter<E: Encapsulation>(core::marker::PhantomData<E>);

impl<E: Encapsulation> Adapter<E> {
    /// # Safety
    ///
    /// Only for the UDP layer, which passes a live socket and a buffer that this function owns unless it returns 1.
    unsafe extern "C" fn receive(sk: *mut c::sock, skb: *mut c::sk_buff) -> c_int {
        // SAFETY: The socket is alive, and so is its namespace.
        let ns = unsafe { Namespace::from_raw(c::sock_net(sk)) };
        // SAFETY: The UDP layer owns the only reference to the packet and lends it to us.
        let mut skb = unsafe { SkBuff::from_raw(skb) };
        // SAFETY: The UDP layer has read its header, and for that made sure that it is in the linear area.
        unsafe { skb.pull_unchecked(HEADER_LEN) };
        // SAFETY: The UDP receive path runs in softirq context, or with bottom halves disabled.
        let softirq = unsafe { Softirq::assume() };
        match E::receive(ns, sk as usize, skb, softirq) {
            Verdict::Consumed => 0,
            Verdict::PassUp(mut skb) => {
                let _ = skb.push(HEADER_LEN);
                // The caller goes on with the buffer.
                let _ = skb.into_raw();
                1
            }
        }
    }

    /// # Safety
    ///
    /// Only for the UDP layer.
    unsafe extern "C" fn destroy(sk: *mut c::sock) {
        // SAFETY: The socket is alive until after this hook, and so is its namespace.
        E::destroy(unsafe { Namespace::from_raw(c::sock_net(sk)) }, sk as usize);
    }
}

/// Reports an ICMP error to the socket's user: `SO_ERROR` always, the error queue if the user asked for it.
///
/// # Safety
///
/// Only for the UDP layer, which passes a live socket and a packet whose network header is that of the packet the error is about.
unsafe extern "C" fn report_icmp_error(
    sk: *mut c::sock,
    skb: *mut c::sk_buff,
    err: c_int,
    port: c::__be16,
    info: u32,
    payload: *mut u8,
) {
    // SAFETY: Socket and packet are valid, by the safety requirements; the network header is in the linear part.
    unsafe {
        (&raw mut (*sk).sk_err).write_volatile(err);
        c::sk_error_report(sk);
        let network = (*skb).__bindgen_anon_4.headers.as_ref().network_header;
        let version = *(*skb).head.add(usize::from(network)) >> 4;
        if version == 4 {
            if c::inet_test_bit_recverr(sk) {
                c::ip_icmp_error(sk, skb, err, port, info, payload);
            }
        } else if c::inet6_test_bit_recverr6(sk) {
            c::ipv6_icmp_error(sk, skb, err, port, info, payload);
        }
    }
}

/// Makes the UDP socket an end of the encapsulation `E`.
///
/// Datagrams are merged if the kernel has made the socket: then they are until it is released. A user's socket may live on as a
/// plain one, and the UDP layer does not expect a live socket to lose what merges.
///
/// # Errors
///
/// `EBUSY` if somebody else uses the socket (`sk_user_data` is set).
pub fn attach<E: Encapsulation>(socket: &LockedSocket<'_>) -> Result {
    let sk = socket.sk().as_ptr();
    // SAFETY: The socket is alive and locked; the callback lock protects `sk_user_data`.
    let busy = unsafe {
        c::sk_callback_lock(sk);
        let busy = !c::sk_user_data(sk).is_null();
        c::sk_callback_unlock(sk);
        busy
    };
    if busy {
        return Err(EBUSY);
    }
    let merges = socket.is_of_kernel();
    let mut cfg = c::udp_tunnel_sock_cfg {
        encap_type: E::TYPE,
        encap_rcv: Some(Adapter::<E>::receive),
        encap_err_rcv: Some(report_icmp_error),
        encap_destroy: Some(Adapter::<E>::destroy),
        gro_receive: merges.then_some(Adapter::<E>::gro_receive),
        gro_complete: merges.then_some(Adapter::<E>::gro_complete),
        ..pin_init::zeroed()
    };
    // SAFETY: A live, locked UDP socket; the configuration is copied. The hooks may run until `detach()` and a grace period.
    unsafe { c::setup_udp_tunnel_sock(c::sock_net(sk), sk, &mut cfg) };
    Ok(())
}

/// Makes the socket a plain UDP socket again: undoes [`attach`]. What merges a kernel's socket's datagrams goes with the socket, which
/// must be released next. A hook stays if it is somebody else's by now: a GTP device does not look at who has the socket, and
/// `setsockopt(UDP_ENCAP)` replaces the one that receives.
///
/// Hooks that run now may go on until a grace period has passed.
pub fn detach<E: Encapsulation>(socket: &Socket) {
    // SAFETY: A UDP socket, alive, in which the fields are what `remove()` says; the UDP layer copes with the absence of each.
    unsafe {
        let up = c::udp_sk(socket.as_ptr());
        // First, so that it is not taken from somebody who gets a hook in after ours is gone.
        let _ = AtomicU8::from_ptr(&raw mut (*up).encap_type).compare_exchange(
            E::TYPE,
            0,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        remove(&raw mut (*up).encap_rcv, Adapter::<E>::receive as *mut ());
        remove(&raw mut (*up).encap_err_rcv, report_icmp_error as *mut ());
        remove(
            &raw mut (*up).encap_destroy,
            Adapter::<E>::destroy as *mut (),
        );
    }
}

/// Clears a hook if it is ours. The socket is not locked for that: its user may hold the lock for long.
///
/// # Safety
///
/// `field` is the hook in a live socket.
unsafe fn remove<F>(field: *mut Option<F>, ours: *mut ()) {
    const { assert!(size_of::<Option<F>>() == size_of::<*mut ()>()) };
    // SAFETY: An optional function pointer is a pointer, null for none. The kernel reads and writes it in one go.
    let _ = unsafe { AtomicPtr::from_ptr(field.cast()) }.compare_exchange(
        ours,
        null_mut(),
        Ordering::Relaxed,
        Ordering::Relaxed,
    );
}

/// What a kernel-created UDP socket is bound and connected to. A peer port of 0 leaves it unconnected.
pub enum Config {
    /// IPv4, and whether transmitted packets carry checksums.
    V4(Endpoints<[u8; 4]>, bool),
    /// IPv6, whether transmitted packets carry checksums, and whether received ones must.
    V6(Endpoints<[u8; 16]>, bool, bool),
}

/// Creates a UDP socket of the kernel in `ns`, bound, and connected if there is a peer port.
///
/// # Errors
///
/// Those of bind() and connect(): `EADDRNOTAVAIL`, `EADDRINUSE`, `EACCES`, `ENETUNREACH`...
pub fn create(ns: &Namespace, config: &Config) -> Result<SocketHandle> {
    let mut cfg: c::udp_port_cfg = pin_init::zeroed();
    match config {
        Config::V4(ends, checksums) => {
            cfg.family = c::AF_INET as u8;
            cfg.__bindgen_anon_1.local_ip.s_addr = u32::from_ne_bytes(ends.local);
            cfg.__bindgen_anon_2.peer_ip.s_addr = u32::from_ne_bytes(ends.peer);
            cfg.local_udp_port = ends.local_port.to_be();
            cfg.peer_udp_port = ends.peer_port.to_be();
            cfg.set_use_udp_checksums(u32::from(*checksums));
        }
        Config::V6(ends, tx, rx) => {
            cfg.family = c::AF_INET6 as u8;
            cfg.__bindgen_anon_1.local_ip6.in6_u.u6_addr8 = ends.local;
            cfg.__bindgen_anon_2.peer_ip6.in6_u.u6_addr8 = ends.peer;
            cfg.local_udp_port = ends.local_port.to_be();
            cfg.peer_udp_port = ends.peer_port.to_be();
            cfg.set_use_udp6_tx_checksums(u32::from(*tx));
            cfg.set_use_udp6_rx_checksums(u32::from(*rx));
        }
    }
    let mut sock = null_mut();
    // SAFETY: The namespace is alive, the configuration initialised, and `sock` valid for writes.
    to_result(unsafe { c::udp_sock_create(ns.as_ptr(), &mut cfg, &mut sock) })?;
    // SAFETY: Created just above, and given to us.
    unsafe { SocketHandle::from_kernel(sock) }
}
