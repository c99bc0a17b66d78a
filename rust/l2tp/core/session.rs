// SPDX-License-Identifier: GPL-2.0

//! Sessions: one pseudowire in a tunnel.

use crate::{
    log,
    name::{IfName, Name},
    registry::{id_hash, v2_key, NetState},
    reorder::Reorder,
    stats::Statistics,
    trace,
    tunnel::Entry,
    Encap, Pseudowire, PwType, SessionConfig, Stats, Tunnel,
};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU8, Ordering};
use kernel::{prelude::*, rbtree::RBTreeNodeReservation, sync::SetOnce};
use net::{
    lock::SpinLockBh,
    shared::RcuArc,
    time::{jiffies_to_msecs, msecs_to_jiffies},
};
use wire::{
    v3::{self, L2Spec},
    Cookie, HeaderTemplate, Width,
};

/// A session.
#[pin_data]
pub struct Session {
    // What the receive path reads comes first.
    ids: Ids,
    pub(crate) version: u8,
    l2spec: L2Spec,
    /// Bytes of cookie and L2-specific sublayer in received frames.
    pub(crate) received_options: u8,
    peer_cookie: Cookie,
    /// Another tunnel has, or had, a session with the same id: then the socket decides.
    collided: AtomicBool,
    /// [`RECV_SEQ`], [`SEND_SEQ`] and [`REORDERING`].
    sequencing: AtomicU8,
    lns_mode: AtomicBool,
    /// In ticks; 0 for no reordering.
    reorder_timeout: AtomicU32,
    pw: KBox<dyn Pseudowire>,
    tunnel: RcuArc<Tunnel>,
    pub(crate) statistics: Statistics,
    pub(crate) template: HeaderTemplate,
    ns: AtomicU32,
    #[pin]
    pub(crate) reorder: SpinLockBh<Reorder>,
    peer_id: u32,
    pw_type: PwType,
    debug: AtomicU32,
    dead: AtomicBool,
    #[pin]
    ifname: SetOnce<IfName>,
}

/// Received frames must have sequence numbers.
const RECV_SEQ: u8 = 1;
/// Transmitted frames have sequence numbers.
const SEND_SEQ: u8 = 2;
/// Frames wait in the reorder queue; changes under its lock.
const REORDERING: u8 = 4;

impl Session {
    /// Makes a session in `tunnel`, which nobody finds before [`Session::register`].
    pub fn new(
        tunnel: &RcuArc<Tunnel>,
        id: u32,
        peer_id: u32,
        config: &SessionConfig,
        pw: KBox<dyn Pseudowire>,
    ) -> Result<RcuArc<Self>> {
        let tunnel = tunnel.clone();
        let template = match (tunnel.version(), tunnel.encap()) {
            // Peers' ids have 16 bits in L2TPv2.
            (2, _) => HeaderTemplate::v2(tunnel.peer_id() as u16, peer_id as u16),
            (_, Encap::Udp) => HeaderTemplate::v3_udp(peer_id, &config.cookie, config.l2spec),
            (_, Encap::Ip) => HeaderTemplate::v3_ip(peer_id, &config.cookie, config.l2spec),
        };
        let width = if tunnel.version() == 2 {
            Width::Bits16
        } else {
            Width::Bits24
        };
        let config = *config;
        log::mask_set(config.debug);
        RcuArc::new::<Error>(
            try_pin_init!(Self {
                ids: Ids {
                    tunnel: tunnel.id(),
                    session: id,
                },
                version: tunnel.version(),
                l2spec: config.l2spec,
                // CAST: Twelve at most.
                received_options: config.peer_cookie.len().wrapping_add(config.l2spec.len()) as u8,
                peer_cookie: config.peer_cookie,
                collided: AtomicBool::new(false),
                sequencing: AtomicU8::new(
                    if config.recv_seq { RECV_SEQ } else { 0 }
                        | if config.send_seq { SEND_SEQ } else { 0 },
                ),
                lns_mode: AtomicBool::new(config.lns_mode),
                reorder_timeout: AtomicU32::new(ticks(config.reorder_timeout_ms)),
                pw,
                tunnel,
                statistics: Statistics::new()?,
                template,
                ns: AtomicU32::new(0),
                reorder <- net::new_spinlock_bh!(Reorder::new(width), "l2tp::Session::reorder"),
                peer_id,
                pw_type: config.pw_type,
                debug: AtomicU32::new(config.debug),
                dead: AtomicBool::new(false),
                ifname <- SetOnce::new(),
            }? Error),
            GFP_KERNEL,
        )
    }

    /// Makes the session known: to lookups of the control path and to the receive path. May sleep.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: the tunnel is being deleted.
    /// - `EEXIST`: the id is used. An L2TPv3 id must be unique in the namespace, but for tunnels over UDP, which may each have
    ///   a session with the same id.
    /// - `ENOMEM`
    pub fn register(this: &RcuArc<Self>) -> Result {
        let tunnel = &this.tunnel;
        let net = tunnel.net();
        let place = RBTreeNodeReservation::new(GFP_KERNEL)?;
        let mut sessions = tunnel.sessions.lock();
        if !sessions.open {
            return Err(ENODEV);
        }
        if sessions.tree.get(&this.key()).is_some() {
            return Err(EEXIST);
        }
        if this.in_v3_index() {
            net.v3_sessions.insert(id_hash(this.id()), this, |other| {
                if other.id() != this.id() {
                    return Ok(());
                }
                if this.tunnel.encap() == Encap::Ip || other.tunnel.encap() == Encap::Ip {
                    return Err(EEXIST);
                }
                other.collided.store(true, Ordering::Relaxed);
                this.collided.store(true, Ordering::Relaxed);
                Ok(())
            })?;
        } else {
            net.v2_sessions
                .insert(id_hash(this.v2_key()), this, |other| {
                    if other.v2_key() == this.v2_key() {
                        Err(EEXIST)
                    } else {
                        Ok(())
                    }
                })?;
        }
        sessions.made = sessions.made.wrapping_add(1);
        let entry = Entry {
            session: this.clone(),
            number: sessions.made,
        };
        sessions.tree.insert(place.into_node(this.key(), entry));
        drop(sessions);
        trace::register_session(
            tunnel.id(),
            tunnel.peer_id(),
            this.id(),
            this.peer_id,
            this.pw_type.number().into(),
        );
        Ok(())
    }

    /// Deletes the session. Only the first call does something. May sleep.
    ///
    /// When this returns, to whichever of several callers, the id can be used again. The pseudowire is closed soon after.
    pub fn delete(this: &RcuArc<Self>) {
        let net = this.tunnel.net();
        {
            // All in one step for those who look for sessions to delete.
            let mut sessions = this.tunnel.sessions.lock();
            let key = this.key();
            if !matches!(sessions.tree.get(&key), Some(there) if there.session.ptr_eq(this)) {
                return;
            }
            this.dead.store(true, Ordering::Release);
            trace::delete_session(this.tunnel.id(), this.id());
            sessions.tree.remove(&key);
            if this.in_v3_index() {
                net.v3_sessions.remove(this);
            } else {
                net.v2_sessions.remove(this);
            }
            let purged = this.reorder.lock().purge();
            this.statistics.rx_errors.add(purged);
            NetState::close_later(net, this.clone());
        }
    }

    /// Whether received frames are looked for by the session id alone.
    ///
    /// No frame ever matches a session of a tunnel whose version is neither 2 nor 3; it is kept out of the way.
    fn in_v3_index(&self) -> bool {
        self.version == 3
    }

    /// Key in the index of L2TPv2 sessions.
    #[inline]
    pub(crate) fn v2_key(&self) -> u32 {
        v2_key(self.tunnel.id(), self.id())
    }

    /// Whether other tunnels have, or had, a session with this id.
    #[inline]
    pub fn has_collided(&self) -> bool {
        self.collided.load(Ordering::Relaxed)
    }

    /// The Ns of the next frame.
    #[inline]
    pub(crate) fn take_ns(&self) -> u32 {
        // 2^32 is a multiple of the number of sequence numbers, so the counter may wrap.
        let ns = self.ns.fetch_add(1, Ordering::Relaxed) & self.template.width().mask();
        log!(self, Seq, debug, "{}: updated ns to {}\n", self.ns());
        ns
    }

    /// Our session id.
    #[inline]
    pub fn id(&self) -> u32 {
        self.ids.session
    }

    /// Where the session is in the order of [`Tunnel::next_session`].
    pub fn key(&self) -> u32 {
        self.tunnel.session_key(self.id())
    }

    /// The peer's session id.
    pub fn peer_id(&self) -> u32 {
        self.peer_id
    }

    /// The tunnel.
    #[inline]
    pub fn tunnel(&self) -> &RcuArc<Tunnel> {
        &self.tunnel
    }

    /// Pseudowire type.
    pub fn pw_type(&self) -> PwType {
        self.pw_type
    }

    /// The pseudowire.
    #[inline]
    pub fn pseudowire(&self) -> &dyn Pseudowire {
        &*self.pw
    }

    /// The pseudowire, if it is a `T`.
    pub fn pseudowire_as<T: Pseudowire + 'static>(&self) -> Option<&T> {
        self.pseudowire().as_any().downcast_ref()
    }

    /// Counts a frame that was received, but that the pseudowire's user has no room for.
    pub fn count_receive_error(&self) {
        self.statistics.rx_errors.increment();
    }

    /// L2-specific sublayer.
    #[inline]
    pub fn l2spec(&self) -> L2Spec {
        self.l2spec
    }

    /// Cookie of transmitted frames.
    pub fn cookie(&self) -> Cookie {
        match (self.version, self.tunnel.encap()) {
            (2, _) => Cookie::NONE,
            (_, Encap::Udp) => self.template.cookie(v3::UDP_HEADER_LEN),
            (_, Encap::Ip) => self.template.cookie(v3::IP_HEADER_LEN),
        }
    }

    /// Cookie that received frames must carry.
    #[inline]
    pub fn peer_cookie(&self) -> &Cookie {
        &self.peer_cookie
    }

    /// Whether received frames must have sequence numbers.
    #[inline]
    pub fn recv_seq(&self) -> bool {
        self.sequencing.load(Ordering::Relaxed) & RECV_SEQ != 0
    }

    /// Sets [`Session::recv_seq`].
    pub fn set_recv_seq(&self, on: bool) {
        self.set_sequencing(RECV_SEQ, on);
    }

    /// Whether transmitted frames have sequence numbers.
    #[inline]
    pub fn send_seq(&self) -> bool {
        self.sequencing.load(Ordering::Relaxed) & SEND_SEQ != 0
    }

    /// Sets [`Session::send_seq`].
    pub fn set_send_seq(&self, on: bool) {
        self.set_sequencing(SEND_SEQ, on);
    }

    /// Whether a received frame is of no concern to anything about sequence numbers if it has none itself.
    #[inline]
    pub(crate) fn is_unsequenced(&self) -> bool {
        self.sequencing.load(Ordering::Relaxed) == 0
    }

    /// Whether frames wait in the reorder queue.
    #[inline]
    pub(crate) fn is_reordering(&self) -> bool {
        self.sequencing.load(Ordering::Relaxed) & REORDERING != 0
    }

    /// Sets [`Session::is_reordering`]. The caller holds the queue's lock.
    #[inline]
    pub(crate) fn set_reordering(&self, on: bool) {
        if self.is_reordering() != on {
            self.set_sequencing(REORDERING, on);
        }
    }

    fn set_sequencing(&self, bit: u8, on: bool) {
        if on {
            self.sequencing.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.sequencing.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    /// Whether this end decides about sequence numbers.
    #[inline]
    pub fn lns_mode(&self) -> bool {
        self.lns_mode.load(Ordering::Relaxed)
    }

    /// Sets [`Session::lns_mode`].
    pub fn set_lns_mode(&self, on: bool) {
        self.lns_mode.store(on, Ordering::Relaxed);
    }

    /// How long frames wait for those before them, in ticks; 0 for no reordering.
    #[inline]
    pub(crate) fn reorder_timeout(&self) -> u32 {
        self.reorder_timeout.load(Ordering::Relaxed)
    }

    /// How long frames wait for those before them, in milliseconds (of the kernel's tick, rounded up); 0 for no reordering.
    pub fn reorder_timeout_ms(&self) -> u32 {
        jiffies_to_msecs(self.reorder_timeout().into())
    }

    /// Sets [`Session::reorder_timeout_ms`].
    pub fn set_reorder_timeout_ms(&self, msecs: u64) {
        self.reorder_timeout.store(ticks(msecs), Ordering::Relaxed);
    }

    /// Name of the interface as it was made; empty if there is none.
    pub fn ifname(&self) -> IfName {
        self.ifname.copy().unwrap_or(IfName::EMPTY)
    }

    /// Sets the name of the interface, once.
    pub fn set_ifname(&self, name: IfName) {
        self.ifname.populate(name);
    }

    /// Statistics.
    pub fn stats(&self) -> Stats {
        self.statistics.read()
    }

    /// The sequence number expected next.
    pub fn nr(&self) -> u32 {
        self.reorder.lock().receiver.nr()
    }

    /// The sequence number to be sent next.
    pub fn ns(&self) -> u32 {
        self.ns.load(Ordering::Relaxed) & self.template.width().mask()
    }

    /// Length of the L2TP header of transmitted frames at most, in bytes.
    pub fn header_len(&self) -> usize {
        self.template.len(true)
    }

    /// `sess <tunnel id>/<session id>`.
    pub fn name(&self) -> Name<32> {
        Name::format(fmt!("sess {}/{}", self.tunnel.id(), self.id()))
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

    /// Whether the session has been deleted.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }
}

/// The ids that a session is named after. Their end is the session's, which a trace event tells.
struct Ids {
    tunnel: u32,
    session: u32,
}

impl Drop for Ids {
    fn drop(&mut self) {
        trace::free_session(self.tunnel, self.session);
    }
}

// A session with the header of its allocation just fits what the kernel allocates for this size; the next is twice as much. Not
// where a spinlock is larger than four bytes: with lock debugging, and with PREEMPT_RT.
const _: () =
    assert!(size_of::<SpinLockBh<()>>() > 4 || size_of::<net::shared::Shared<Session>>() <= 256);

/// Converts a timeout in milliseconds to ticks. The kernel's conversion takes 32 bits.
fn ticks(msecs: u64) -> u32 {
    msecs_to_jiffies(msecs as u32) as u32
}
