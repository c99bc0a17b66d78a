// SPDX-License-Identifier: GPL-2.0

//! Sockets that a tunnel sends and receives through.
//!
//! A [`Socket`] is a counted reference to a `struct sock`. A [`SocketHandle`] is the `struct socket` above it, either created
//! by the kernel and released with the handle, or found behind a file descriptor of the calling task.
//!
//! C header: [`include/net/sock.h`](srctree/include/net/sock.h)

use crate::namespace::Namespace;
use core::ptr::{null_mut, NonNull};
use kernel::{error::to_result, prelude::*};
use net_bindings as c;

/// Address family of a socket: the value of `AF_*`.
pub type Family = u16;

/// IPv4.
pub const AF_INET: Family = c::AF_INET as Family;
/// IPv6.
pub const AF_INET6: Family = c::AF_INET6 as Family;

/// A counted reference to a socket.
///
/// # Invariants
///
/// Owns one reference (`sock_hold()`) of a full socket. If it is of family `AF_INET` or `AF_INET6` it is an `inet_sock`.
pub struct Socket(NonNull<c::sock>);

// SAFETY: Sockets are shared by all CPUs; what this type reads is read as the kernel itself reads it without the socket lock.
unsafe impl Send for Socket {}
// SAFETY: As above.
unsafe impl Sync for Socket {}

/// Both ends of a socket, as far as they are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints<A> {
    /// Local address, network order.
    pub local: A,
    /// Peer's address, network order.
    pub peer: A,
    /// Local port, host order.
    pub local_port: u16,
    /// Peer's port, host order.
    pub peer_port: u16,
}

/// [`Endpoints`] of either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// IPv4.
    V4(Endpoints<[u8; 4]>),
    /// IPv6; IPv4 peers of an IPv6 socket are mapped addresses.
    V6(Endpoints<[u8; 16]>),
    /// Another family.
    Other,
}

impl Socket {
    /// The raw pointer.
    #[inline]
    pub fn as_ptr(&self) -> *mut c::sock {
        self.0.as_ptr()
    }

    /// The socket's address as a key that identifies it while it is held.
    #[inline]
    pub fn key(&self) -> usize {
        self.0.as_ptr() as usize
    }

    /// Takes a reference.
    ///
    /// # Safety
    ///
    /// `sk` must be a valid full socket.
    pub unsafe fn hold(sk: NonNull<c::sock>) -> Self {
        // SAFETY: Valid by the safety requirements. INVARIANT: Held here.
        unsafe { c::sock_hold(sk.as_ptr()) };
        Self(sk)
    }

    /// Address family.
    #[inline]
    pub fn family(&self) -> Family {
        // SAFETY: Alive by the type invariant.
        unsafe { (*self.as_ptr()).__sk_common.skc_family }
    }

    #[inline]
    pub(crate) fn inet(&self) -> *mut c::inet_sock {
        self.as_ptr().cast()
    }

    /// The namespace of the socket.
    #[inline]
    pub fn namespace(&self) -> &Namespace {
        // SAFETY: The socket is alive, and its namespace as long as a tunnel uses it: user sockets count it, those of the
        // kernel are released before it goes.
        unsafe { Namespace::from_raw(c::sock_net(self.as_ptr())) }
    }

    /// Whether the socket has a connected peer.
    #[inline]
    pub fn is_connected(&self) -> bool {
        // SAFETY: Alive by the type invariant; the state is a byte that is read in one go.
        let state = unsafe { (&raw const (*self.as_ptr()).__sk_common.skc_state).read_volatile() };
        u32::from(state) == c::TCP_ESTABLISHED
    }

    /// Addresses and ports that the socket is bound and connected to now.
    pub fn addresses(&self) -> Addresses {
        let (sk, inet) = (self.as_ptr(), self.inet());
        match self.family() {
            // SAFETY: An `inet_sock` by the type invariant; the fields may change under us, each is read once.
            AF_INET => unsafe {
                Addresses::V4(Endpoints {
                    local: (*inet).inet_saddr.to_ne_bytes(),
                    peer: (*sk)
                        .__sk_common
                        .__bindgen_anon_1
                        .__bindgen_anon_1
                        .skc_daddr
                        .to_ne_bytes(),
                    local_port: u16::from_be((*inet).inet_sport),
                    peer_port: u16::from_be(
                        (*sk)
                            .__sk_common
                            .__bindgen_anon_3
                            .__bindgen_anon_1
                            .skc_dport,
                    ),
                })
            },
            // SAFETY: As above; an IPv6 socket has an `ipv6_pinfo`.
            AF_INET6 => unsafe {
                Addresses::V6(Endpoints {
                    local: (*c::inet6_sk(sk)).saddr.in6_u.u6_addr8,
                    peer: (*sk).__sk_common.skc_v6_daddr.in6_u.u6_addr8,
                    local_port: u16::from_be((*inet).inet_sport),
                    peer_port: u16::from_be(
                        (*sk)
                            .__sk_common
                            .__bindgen_anon_3
                            .__bindgen_anon_1
                            .skc_dport,
                    ),
                })
            },
            _ => Addresses::Other,
        }
    }

    /// The local IPv4 address as the kernel keeps it for sockets of either family, network order. For reports.
    pub fn local_ipv4(&self) -> [u8; 4] {
        match self.family() {
            // SAFETY: An `inet_sock` by the type invariant; the field is read once.
            AF_INET | AF_INET6 => unsafe { (*self.inet()).inet_saddr.to_ne_bytes() },
            _ => [0; 4],
        }
    }

    /// Whether UDP checksums of transmitted IPv4 packets are off.
    pub fn no_checksum_tx(&self) -> bool {
        // SAFETY: Alive by the type invariant.
        unsafe { c::sk_no_check_tx(self.as_ptr()) }
    }

    /// Whether UDP checksums over IPv6 are off on transmit and may be missing on receive. For UDP sockets.
    pub fn no_checksum6(&self) -> (bool, bool) {
        // SAFETY: Alive by the type invariant. The flags are in the UDP part of the socket, which the caller vouches for by
        // asking; sockets of other protocols of the family are at least as large as the common part that is read here.
        unsafe {
            (
                c::udp_get_no_check6_tx(self.as_ptr()),
                c::udp_get_no_check6_rx(self.as_ptr()),
            )
        }
    }

    /// Whether an IPsec policy is attached to the socket itself.
    pub fn has_ipsec_policy(&self) -> bool {
        // SAFETY: Alive by the type invariant; only compared with null.
        unsafe { c::sk_has_policy(self.as_ptr()) }
    }

    /// Number of references. For reports.
    pub fn refcount(&self) -> u32 {
        // SAFETY: Alive by the type invariant.
        unsafe { c::refcount_read(&raw const (*self.as_ptr()).__sk_common.skc_refcnt) }
    }

    /// Length of the IP header that the socket's packets get, in bytes: with options; 0 if it is no IP socket.
    ///
    /// Takes the socket lock: may sleep.
    pub fn ip_overhead(&self) -> u32 {
        // SAFETY: Alive by the type invariant; the function wants the lock held.
        unsafe {
            c::lock_sock(self.as_ptr());
            let overhead = c::kernel_sock_ip_overhead(self.as_ptr());
            c::release_sock(self.as_ptr());
            overhead
        }
    }

    /// The route that the socket has cached, if any.
    pub fn route(&self) -> Option<Route> {
        // SAFETY: Alive by the type invariant. The route is counted until released; its device is freed a grace period after the
        // route has let go of it.
        unsafe {
            let dst = c::sk_dst_get(self.as_ptr());
            if dst.is_null() {
                return None;
            }
            let guard = crate::rcu::read_lock();
            let route = Route {
                mtu: c::dst_mtu(dst),
                link_headroom: c::LL_RESERVED_SPACE(c::dst_dev_rcu(dst)),
            };
            drop(guard);
            c::dst_release(dst);
            Some(route)
        }
    }
}

/// Where a socket's packets go, as of now.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// MTU of the path, in bytes.
    pub mtu: u32,
    /// Bytes that the device's link layer wants in front of an IP header.
    pub link_headroom: u32,
}

impl Clone for Socket {
    fn clone(&self) -> Self {
        // SAFETY: Valid by the type invariant.
        unsafe { Self::hold(self.0) }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: The reference is ours by the type invariant.
        unsafe { c::sock_put(self.as_ptr()) }
    }
}

/// Where a [`SocketHandle`] came from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Created by the kernel: shut down and released with the handle.
    Kernel,
    /// A file of the calling task: the file's reference is given back with the handle.
    Fd,
}

/// A `struct socket`, see the [module documentation](self).
///
/// # Invariants
///
/// `sock` is valid and has a `sk`; the handle owns it (`Origin::Kernel`) or a reference to its file (`Origin::Fd`).
pub struct SocketHandle {
    sock: NonNull<c::socket>,
    origin: Origin,
}

// SAFETY: A socket may be used and released from any task.
unsafe impl Send for SocketHandle {}
// SAFETY: `&SocketHandle` only allows what the kernel's socket functions serialise themselves.
unsafe impl Sync for SocketHandle {}

impl SocketHandle {
    /// The socket behind file descriptor `fd` of the current task.
    ///
    /// # Errors
    ///
    /// `EBADF` if there is no such file, `ENOTSOCK` if it is no socket.
    pub fn from_fd(fd: c_int) -> Result<Self> {
        let mut err = 0;
        // SAFETY: No requirements in process context.
        let sock = unsafe { c::sockfd_lookup(fd, &mut err) };
        // INVARIANT: The lookup took a reference to the file.
        match NonNull::new(sock) {
            Some(sock) => Ok(Self {
                sock,
                origin: Origin::Fd,
            }),
            None => Err(Error::from_errno(err)),
        }
    }

    /// Creates a datagram socket in `ns`, which does not keep that alive.
    pub fn new_datagram(ns: &Namespace, family: Family, protocol: c_int) -> Result<Self> {
        let mut sock = null_mut();
        // SAFETY: `ns` is alive and `sock` valid for writes.
        to_result(unsafe {
            c::sock_create_kern(
                ns.as_ptr(),
                c_int::from(family),
                c::sock_type_SOCK_DGRAM as c_int,
                protocol,
                &mut sock,
            )
        })?;
        // SAFETY: Created just above.
        unsafe { Self::from_kernel(sock) }
    }

    /// Takes over a socket created by the kernel.
    ///
    /// # Safety
    ///
    /// `sock` must be null or a valid socket that the caller gives away.
    pub(crate) unsafe fn from_kernel(sock: *mut c::socket) -> Result<Self> {
        // INVARIANT: By the safety requirements.
        match NonNull::new(sock) {
            Some(sock) => Ok(Self {
                sock,
                origin: Origin::Kernel,
            }),
            None => Err(EINVAL),
        }
    }

    /// Binds to an address: the bytes of a `struct sockaddr_*`.
    pub fn bind(&self, address: &[u8]) -> Result {
        let (mut storage, len) = storage(address)?;
        // SAFETY: The socket is valid, and `storage` is readable memory of at least `len` bytes.
        to_result(unsafe { c::kernel_bind(self.sock.as_ptr(), (&raw mut storage).cast(), len) })
    }

    /// Connects to an address: the bytes of a `struct sockaddr_*`.
    pub fn connect(&self, address: &[u8]) -> Result {
        let (mut storage, len) = storage(address)?;
        // SAFETY: As for `bind()`.
        to_result(unsafe {
            c::kernel_connect(self.sock.as_ptr(), (&raw mut storage).cast(), len, 0)
        })
    }

    #[inline]
    fn sk(&self) -> NonNull<c::sock> {
        // SAFETY: A socket has a `sk` by the type invariant.
        unsafe { NonNull::new_unchecked((*self.sock.as_ptr()).sk) }
    }

    /// Takes the socket lock. May sleep.
    pub fn lock(&self) -> LockedSocket<'_> {
        // SAFETY: Valid by the type invariant. INVARIANT: Locked here.
        unsafe { c::lock_sock(self.sk().as_ptr()) };
        LockedSocket { handle: self }
    }
}

/// Copies a socket address to where it is aligned. Returns it with its length.
fn storage(address: &[u8]) -> Result<([u64; 16], c_int)> {
    let mut storage = [0u64; 16];
    if address.len() > size_of_val(&storage) {
        return Err(EINVAL);
    }
    // SAFETY: Checked to fit; the two do not overlap.
    unsafe {
        core::ptr::copy_nonoverlapping(address.as_ptr(), storage.as_mut_ptr().cast(), address.len())
    };
    // CAST: At most 128.
    Ok((storage, address.len() as c_int))
}

impl Drop for SocketHandle {
    fn drop(&mut self) {
        match self.origin {
            // SAFETY: The handle owns the socket.
            Origin::Kernel => unsafe {
                c::kernel_sock_shutdown(self.sock.as_ptr(), c::sock_shutdown_cmd_SHUT_RDWR);
                c::sock_release(self.sock.as_ptr());
            },
            // SAFETY: The handle owns a reference to the file.
            Origin::Fd => unsafe { c::sockfd_put(self.sock.as_ptr()) },
        }
    }
}

/// A socket whose lock is held, see [`SocketHandle::lock`].
///
/// # Invariants
///
/// The current task owns the socket lock.
pub struct LockedSocket<'a> {
    handle: &'a SocketHandle,
}

impl LockedSocket<'_> {
    pub(crate) fn sk(&self) -> NonNull<c::sock> {
        self.handle.sk()
    }

    /// The namespace of the socket.
    pub fn namespace(&self) -> &Namespace {
        // SAFETY: The socket is alive, and keeps its namespace or is released before that goes.
        unsafe { Namespace::from_raw(c::sock_net(self.sk().as_ptr())) }
    }

    /// Address family.
    pub fn family(&self) -> Family {
        // SAFETY: Alive by the type invariant.
        unsafe { (*self.sk().as_ptr()).__sk_common.skc_family }
    }

    /// Whether it is a `SOCK_DGRAM` socket.
    pub fn is_datagram(&self) -> bool {
        // SAFETY: Alive by the type invariant.
        unsafe { u32::from((*self.sk().as_ptr()).sk_type) == c::sock_type_SOCK_DGRAM }
    }

    /// Protocol, an `IPPROTO_*` value for IP sockets.
    pub fn protocol(&self) -> u16 {
        // SAFETY: Alive by the type invariant.
        unsafe { (*self.sk().as_ptr()).sk_protocol }
    }

    /// Makes the socket allocate atomically, as one must that the packet path sends through.
    pub fn set_atomic_allocation(&self) {
        // SAFETY: Alive, and the lock that protects the field is held, by the type invariant.
        unsafe { (*self.sk().as_ptr()).sk_allocation = c::GFP_ATOMIC }
    }

    /// Whether the kernel made the socket, and will release it with the handle.
    pub fn is_of_kernel(&self) -> bool {
        self.handle.origin == Origin::Kernel
    }

    /// A counted reference to the socket.
    pub fn hold(&self) -> Socket {
        // SAFETY: Alive by the type invariant.
        unsafe { Socket::hold(self.sk()) }
    }
}

impl Drop for LockedSocket<'_> {
    fn drop(&mut self) {
        // SAFETY: The lock is ours by the type invariant.
        unsafe { c::release_sock(self.sk().as_ptr()) }
    }
}
