// SPDX-License-Identifier: GPL-2.0

//! Tunnels: a socket to a peer, and the sessions in it.

use crate::{
    config::TunnelSocket,
    log,
    name::Name,
    receive::L2tpInUdp,
    registry::{socket_hash, NetState},
    stats::{Count, Statistics},
    trace, Encap, Endpoint, Session, Stats, TunnelConfig,
};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use kernel::{
    new_mutex,
    prelude::*,
    rbtree::RBTree,
    sync::{Arc, Mutex},
};
use net::{
    error::EPROTONOSUPPORT,
    namespace::Namespace,
    shared::RcuArc,
    sock::{Addresses, LockedSocket, Socket, SocketHandle, AF_INET, AF_INET6},
    udp,
};

/// Protocol numbers of tunnel sockets.
const IPPROTO_UDP: u16 = 17;
const IPPROTO_L2TP: u16 = 115;

/// A tunnel's sessions.
pub(crate) struct Sessions {
    /// Whether sessions may be added: not once the tunnel is being deleted.
    pub(crate) open: bool,
    /// By [`Session::key`].
    pub(crate) tree: RBTree<u32, Entry>,
    /// Number of sessions that the tunnel has and had.
    pub(crate) made: u64,
}

/// A session in its tunnel.
pub(crate) struct Entry {
    pub(crate) session: RcuArc<Session>,
    /// The later it was registered, the higher.
    pub(crate) number: u64,
}

/// What deletion works on.
struct Teardown {
    done: bool,
    /// The socket that the kernel made, to be released.
    handle: Option<SocketHandle>,
}

/// A tunnel.
#[pin_data]
pub struct Tunnel {
    socket: Socket,
    version: u8,
    encap: Encap,
    /// User space's descriptor of the socket; negative if the kernel made it.
    fd: c_int,
    pub(crate) statistics: Statistics,
    /// Frames that belong to a session and are invalid.
    pub(crate) rx_invalid: Count,
    id: OwnId,
    peer_id: AtomicU32,
    debug: AtomicU32,
    dead: AtomicBool,
    net: Arc<NetState>,
    /// Held during deletion.
    #[pin]
    teardown: Mutex<Teardown>,
    #[pin]
    pub(crate) sessions: Mutex<Sessions>,
}

impl Tunnel {
    /// Makes a tunnel in `ns`.
    ///
    /// An unmanaged tunnel's socket is made for it; a managed one's is found behind the descriptor in the calling task. It is
    /// found by its id when this returns.
    ///
    /// # Errors
    ///
    /// - `EEXIST`: the id is used.
    /// - `EBADF`, `ENOTSOCK`: the descriptor is no socket.
    /// - `EINVAL`: the socket is of another namespace.
    /// - `EPROTONOSUPPORT`: the socket's type, family or protocol does not suit.
    /// - `EBUSY`: the socket belongs to another tunnel or encapsulation.
    /// - `ENOMEM`, and what making, binding and connecting a socket can return.
    pub fn create(ns: &Namespace, config: &TunnelConfig) -> Result<RcuArc<Self>> {
        let net = NetState::of(ns)?;
        net.reserve(config.id)?;
        let tunnel = Self::build(ns, net, config);
        if tunnel.is_err() {
            net.unreserve(config.id);
        }
        let tunnel = tunnel?;
        trace::register_tunnel(
            config.fd(),
            config.id,
            config.peer_id,
            config.version.into(),
            config.encap as u32,
        );
        Ok(tunnel)
    }

    /// [`Tunnel::create`] once the id is reserved.
    fn build(ns: &Namespace, net: &Arc<NetState>, config: &TunnelConfig) -> Result<RcuArc<Self>> {
        let handle = match &config.socket {
            TunnelSocket::Fd(fd) => SocketHandle::from_fd(*fd)?,
            TunnelSocket::Kernel(endpoint) => create_socket(ns, config, endpoint)?,
        };
        let locked = handle.lock();
        check_socket(&locked, ns, config.encap)?;
        let tunnel = RcuArc::new(Self::new(net, config, locked.hold()), GFP_KERNEL)?;
        net.tunnels_by_socket
            .insert(socket_hash(tunnel.socket.key()), &tunnel, |other| {
                if other.socket.key() == tunnel.socket.key() {
                    Err(EBUSY)
                } else {
                    Ok(())
                }
            })?;
        if config.encap == Encap::Udp {
            if let Err(err) = udp::attach::<L2tpInUdp>(&locked) {
                net.tunnels_by_socket.remove(&tunnel);
                return Err(err);
            }
        }
        locked.set_atomic_allocation();
        drop(locked);
        if matches!(config.socket, TunnelSocket::Kernel(_)) {
            tunnel.teardown.lock().handle = Some(handle);
        }
        if let Err(err) = net.publish(&tunnel) {
            Self::delete(&tunnel);
            return Err(err);
        }
        Ok(tunnel)
    }

    fn new(
        net: &Arc<NetState>,
        config: &TunnelConfig,
        socket: Socket,
    ) -> impl PinInit<Self, Error> {
        let (net, config) = (net.clone(), *config);
        log::mask_set(config.debug);
        try_pin_init!(Self {
            socket,
            version: config.version,
            encap: config.encap,
            fd: config.fd(),
            statistics: Statistics::new()?,
            rx_invalid: Count::new(),
            id: OwnId(config.id),
            peer_id: AtomicU32::new(config.peer_id),
            debug: AtomicU32::new(config.debug),
            dead: AtomicBool::new(false),
            net,
            teardown <- new_mutex!(
                Teardown {
                    done: false,
                    handle: None,
                },
                "l2tp::Tunnel::teardown"
            ),
            sessions <- new_mutex!(
                Sessions {
                    open: true,
                    tree: RBTree::new(),
                    made: 0,
                },
                "l2tp::Tunnel::sessions"
            ),
        }? Error)
    }

    /// Deletes the tunnel and all its sessions. May sleep.
    ///
    /// When this returns, to whichever of several callers, the ids can be used again, and a socket that the kernel made is
    /// closed; one that user space gave is a plain socket again. Pseudowires are closed soon after: [`NetState::reap`] waits
    /// for that.
    pub fn delete(this: &RcuArc<Self>) {
        this.dead.store(true, Ordering::Release);
        let mut teardown = this.teardown.lock();
        if teardown.done {
            return;
        }
        teardown.done = true;
        trace::delete_tunnel(this.id());
        this.sessions.lock().open = false;
        log!(this, Control, info, "{}: closing all sessions...\n");
        while let Some(session) = this.next_session(0) {
            log!(session, Control, info, "{}: closing session\n");
            Session::delete(&session);
        }
        if this.encap == Encap::Udp {
            udp::detach::<L2tpInUdp>(&this.socket);
        }
        drop(teardown.handle.take());
        this.net.remove_tunnel(this);
    }

    /// The last user of the tunnel's socket closes it.
    ///
    /// That is deletion's own doing if the kernel made the socket.
    pub fn socket_closed(this: &RcuArc<Self>) {
        if !this.is_dead() {
            log!(this, Control, info, "{}: closing...\n");
            Self::delete(this);
        }
    }

    /// Our connection id.
    #[inline]
    pub fn id(&self) -> u32 {
        self.id.0
    }

    /// The peer's connection id.
    pub fn peer_id(&self) -> u32 {
        self.peer_id.load(Ordering::Relaxed)
    }

    /// Sets the peer's connection id if it is 0.
    pub fn learn_peer_id(&self, id: u32) {
        let _ = self
            .peer_id
            .compare_exchange(0, id, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// L2TP version.
    #[inline]
    pub fn version(&self) -> u8 {
        self.version
    }

    /// Encapsulation.
    #[inline]
    pub fn encap(&self) -> Encap {
        self.encap
    }

    /// The descriptor that user space gave; −1 if the kernel made the socket.
    #[inline]
    pub fn fd(&self) -> c_int {
        self.fd
    }

    /// Whether user space made the socket.
    #[inline]
    pub(crate) fn is_managed(&self) -> bool {
        self.fd >= 0
    }

    /// `tunl <id>`.
    pub fn name(&self) -> Name<20> {
        Name::format(fmt!("tunl {}", self.id()))
    }

    /// Mask of `L2TP_MSG_*`.
    pub fn debug(&self) -> u32 {
        self.debug.load(Ordering::Relaxed)
    }

    /// Sets the mask of `L2TP_MSG_*`.
    pub fn set_debug(&self, mask: u32) {
        log::mask_set(mask);
        self.debug.store(mask, Ordering::Relaxed);
    }

    /// Statistics: the sum of all sessions that the tunnel has and had.
    pub fn stats(&self) -> Stats {
        Stats {
            rx_invalid: self.rx_invalid.get(),
            ..self.statistics.read()
        }
    }

    /// The socket.
    #[inline]
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Current addresses of the socket.
    pub fn addresses(&self) -> Addresses {
        self.socket.addresses()
    }

    /// The tunnels and sessions that this one is among.
    pub fn net(&self) -> &Arc<NetState> {
        &self.net
    }

    /// The session with this id, of which L2TPv2 takes the low 16 bits.
    pub fn session(&self, id: u32) -> Option<RcuArc<Session>> {
        self.sessions
            .lock()
            .tree
            .get(&self.session_key(id))
            .map(|entry| entry.session.clone())
    }

    /// Under what a session is found in this tunnel.
    pub(crate) fn session_key(&self, id: u32) -> u32 {
        if self.version == 2 {
            id & 0xffff
        } else {
            id
        }
    }

    /// The session with the lowest key ([`Session::key`], usually the id) that is not below `from`.
    pub fn next_session(&self, from: u32) -> Option<RcuArc<Session>> {
        let sessions = self.sessions.lock();
        let cursor = sessions.tree.cursor_lower_bound(&from)?;
        Some(cursor.current().1.session.clone())
    }

    /// The newest session whose interface was made with this name.
    ///
    /// There may be several: the name is free again when the interface is renamed or moved to another namespace.
    pub(crate) fn session_by_ifname(&self, name: &[u8]) -> Option<RcuArc<Session>> {
        let sessions = self.sessions.lock();
        let named = sessions
            .tree
            .values()
            .filter(|entry| entry.session.ifname().as_bytes() == name);
        Some(named.max_by_key(|entry| entry.number)?.session.clone())
    }

    /// Number of sessions, without that of id 0, which stands for the tunnel in PPPoL2TP.
    pub fn session_count(&self) -> usize {
        self.sessions
            .lock()
            .tree
            .keys()
            .filter(|id| **id != 0)
            .count()
    }

    /// Whether deletion has begun.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }
}

/// The id that a tunnel is named after. Its end is the tunnel's, which a trace event tells.
struct OwnId(u32);

impl Drop for OwnId {
    fn drop(&mut self) {
        trace::free_tunnel(self.0);
    }
}

impl TunnelConfig {
    /// The descriptor, −1 if the kernel makes the socket.
    fn fd(&self) -> c_int {
        match self.socket {
            TunnelSocket::Fd(fd) => fd,
            TunnelSocket::Kernel(_) => -1,
        }
    }
}

/// Makes the socket of an unmanaged tunnel.
fn create_socket(
    ns: &Namespace,
    config: &TunnelConfig,
    endpoint: &Endpoint,
) -> Result<SocketHandle> {
    match (config.encap, endpoint) {
        (Encap::Udp, Endpoint::V4 { ends, udp_csum }) => {
            udp::create(ns, &udp::Config::V4(*ends, *udp_csum))
        }
        (
            Encap::Udp,
            Endpoint::V6 {
                ends,
                zero_csum_tx,
                zero_csum_rx,
            },
        ) => udp::create(ns, &udp::Config::V6(*ends, !zero_csum_tx, !zero_csum_rx)),
        (Encap::Ip, Endpoint::V4 { ends, .. }) => {
            let socket = SocketHandle::new_datagram(ns, AF_INET, IPPROTO_L2TP.into())?;
            socket.bind(&sockaddr_l2tpip(ends.local, config.id))?;
            socket.connect(&sockaddr_l2tpip(ends.peer, config.peer_id))?;
            Ok(socket)
        }
        (Encap::Ip, Endpoint::V6 { ends, .. }) => {
            let socket = SocketHandle::new_datagram(ns, AF_INET6, IPPROTO_L2TP.into())?;
            socket.bind(&sockaddr_l2tpip6(ends.local, config.id))?;
            socket.connect(&sockaddr_l2tpip6(ends.peer, config.peer_id))?;
            Ok(socket)
        }
    }
}

/// The bytes of a `struct sockaddr_l2tpip`.
fn sockaddr_l2tpip(address: [u8; 4], connection: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&AF_INET.to_ne_bytes());
    bytes[4..8].copy_from_slice(&address);
    bytes[8..12].copy_from_slice(&connection.to_ne_bytes());
    bytes
}

/// The bytes of a `struct sockaddr_l2tpip6`.
fn sockaddr_l2tpip6(address: [u8; 16], connection: u32) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&AF_INET6.to_ne_bytes());
    bytes[8..24].copy_from_slice(&address);
    bytes[28..].copy_from_slice(&connection.to_ne_bytes());
    bytes
}

/// Whether a socket can carry a tunnel.
fn check_socket(socket: &LockedSocket<'_>, ns: &Namespace, encap: Encap) -> Result {
    if socket.namespace() != ns {
        return Err(EINVAL);
    }
    let protocol = match encap {
        Encap::Udp => IPPROTO_UDP,
        Encap::Ip => IPPROTO_L2TP,
    };
    if !socket.is_datagram()
        || !matches!(socket.family(), AF_INET | AF_INET6)
        || socket.protocol() != protocol
    {
        return Err(EPROTONOSUPPORT);
    }
    Ok(())
}
