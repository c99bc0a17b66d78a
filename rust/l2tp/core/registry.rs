// SPDX-License-Identifier: GPL-2.0

//! The tunnels and sessions of a network namespace.
//!
//! | index | key | used by |
//! |---|---|---|
//! | tunnels | our tunnel id | control path |
//! | tunnels by socket | socket | receive path, close of the socket |
//! | L2TPv2 sessions | tunnel id and session id, 16 bits each | receive path |
//! | L2TPv3 sessions | session id | receive path |
//! | a tunnel's sessions, in the tunnel | session id | control path |
//!
//! The indices of the receive path are read under RCU and written under a mutex of theirs. Lock order: a socket's lock, a
//! tunnel's session list, an index.
//!
//! A tunnel or session that is deleted leaves its indices at once, so that its id can be used again. What may have to wait for
//! RTNL, which is the end of its pseudowire, is done later, for many sessions together: by a [`Reaper`].

use crate::{Session, Tunnel};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use kernel::{
    impl_has_work, new_condvar, new_mutex, new_work,
    prelude::*,
    rbtree::{RBTree, RBTreeNode},
    sync::{Arc, CondVar, CondVarTimeoutResult, Mutex},
    time::{msecs_to_jiffies, Msecs},
    workqueue::{Work, WorkItem},
};
use net::{
    namespace::{Namespace, PernetSlot, PernetState},
    netdev::UnregisterList,
    rcu::{self, CallbackBarrier, ReadSide},
    rcu_table::RcuTable,
    shared::{PendingList, RcuArc, Shared},
    udp::SocketKey,
    workqueue::WorkQueue,
};

pub(crate) static STATE: PernetSlot<NetState> = PernetSlot::new();

/// How many namespaces in which there were tunnels have exited.
static EXITED: AtomicUsize = AtomicUsize::new(0);
/// For how many of them, the first ones, what they had has been freed.
static FREED: AtomicUsize = AtomicUsize::new(0);

/// The longest time that a new session waits for the names of old ones, in ms.
const SETTLE: Msecs = 1000;

/// A tunnel id's place.
enum Slot {
    /// A tunnel with this id is being made.
    Reserved,
    /// The tunnel.
    Registered(RcuArc<Tunnel>),
}

/// L2TP in a network namespace, see the [module documentation](self).
#[pin_data]
pub struct NetState {
    #[pin]
    tunnels: Mutex<RBTree<u32, Slot>>,
    /// Whether there has been a tunnel.
    had_tunnels: AtomicBool,
    #[pin]
    pub(crate) tunnels_by_socket: RcuTable<Tunnel>,
    #[pin]
    pub(crate) v2_sessions: RcuTable<Session>,
    #[pin]
    pub(crate) v3_sessions: RcuTable<Session>,
    /// Deleted sessions whose pseudowires have not been closed yet.
    closing: PendingList<Session>,
    /// Held while pseudowires are closed.
    #[pin]
    reaping: Mutex<()>,
    /// Tells of pseudowires that were closed, and of reapers that are done.
    #[pin]
    reaped: CondVar,
    /// How many reapers are queued or running.
    reapers: AtomicUsize,
    /// The reaper for when there is no memory for one.
    #[pin]
    spare_reaper: Work<NetState>,
}

impl_has_work! {
    impl HasWork<Self> for NetState { self.spare_reaper }
}

impl WorkItem for NetState {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.reap();
        this.reaper_done();
    }
}

/// Reapers wait for whoever uses a device that is to end, so each of them is an item of its own.
pub(crate) static REAPERS: WorkQueue = WorkQueue::new();

/// The work of closing what was deleted in a namespace.
#[pin_data]
struct Reaper {
    net: Arc<NetState>,
    #[pin]
    work: Work<Reaper>,
}

impl_has_work! {
    impl HasWork<Self> for Reaper { self.work }
}

impl WorkItem for Reaper {
    type Pointer = Pin<KBox<Self>>;

    fn run(this: Pin<KBox<Self>>) {
        this.net.reap();
        this.net.reaper_done();
    }
}

impl PernetState for NetState {
    fn slot() -> &'static PernetSlot<Self> {
        &STATE
    }

    fn new(_ns: &Namespace) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                tunnels <- new_mutex!(RBTree::new(), "l2tp::tunnels"),
                had_tunnels: AtomicBool::new(false),
                tunnels_by_socket <- RcuTable::new(),
                v2_sessions <- RcuTable::new(),
                v3_sessions <- RcuTable::new(),
                closing: PendingList::new(),
                reaping <- new_mutex!((), "l2tp::reaping"),
                reaped <- new_condvar!("l2tp::reaped"),
                reapers: AtomicUsize::new(0),
                spare_reaper <- new_work!("l2tp::spare_reaper"),
            }),
            GFP_KERNEL,
        )
    }

    fn pre_exit(this: &Arc<Self>, _ns: &Namespace) {
        while let Some(tunnel) = this.next_tunnel(0) {
            Tunnel::delete(&tunnel);
        }
        this.reap();
        // Others may be at it, with sessions that refer to what ends with the namespace.
        let mut reaping = this.reaping.lock();
        while this.reapers.load(Ordering::Acquire) != 0 {
            this.reaped.wait(&mut reaping);
        }
    }

    fn exit(this: &Arc<Self>, _ns: &Namespace) {
        let empty = this.tunnels.lock().is_empty()
            && this.v2_sessions.is_empty()
            && this.v3_sessions.is_empty();
        if !empty {
            pr_err!("tunnels or sessions are left when a namespace exits\n");
            kernel::warn_on!(true);
        }
        if this.had_tunnels.load(Ordering::Relaxed) {
            EXITED.fetch_add(1, Ordering::Release);
        }
    }

    fn exited() {
        // Namespaces may exit at the same time: one that could not be made completely, beside others that end.
        let exited = EXITED.load(Ordering::Acquire);
        if FREED.load(Ordering::Acquire) < exited {
            // Callbacks free sessions, then tunnels, then their sockets with the routes that these have cached: some of which are
            // counted in the namespace, so they must be released before the IP layer ends there.
            drop(CallbackBarrier::<3>);
            FREED.fetch_max(exited, Ordering::Release);
        }
    }
}

impl NetState {
    /// The state of a namespace that is not exiting.
    ///
    /// # Errors
    ///
    /// `ENODEV` while the module is being loaded or unloaded.
    #[inline]
    pub fn of(ns: &Namespace) -> Result<&Arc<Self>> {
        STATE.get(ns).ok_or(ENODEV)
    }

    /// The same, quicker, for the packet path.
    #[inline]
    pub(crate) fn of_rcu<'a>(ns: &'a Namespace, rcu: ReadSide<'a>) -> Result<&'a Arc<Self>> {
        STATE.get_rcu(ns, rcu).ok_or(ENODEV)
    }

    /// The tunnel with this id.
    pub fn tunnel(&self, id: u32) -> Option<RcuArc<Tunnel>> {
        match self.tunnels.lock().get(&id)? {
            Slot::Reserved => None,
            Slot::Registered(tunnel) => Some(tunnel.clone()),
        }
    }

    /// The tunnel with the lowest id that is not below `from`.
    pub fn next_tunnel(&self, from: u32) -> Option<RcuArc<Tunnel>> {
        let tunnels = self.tunnels.lock();
        let mut key = from;
        loop {
            let cursor = tunnels.cursor_lower_bound(&key)?;
            match cursor.current() {
                (_, Slot::Registered(tunnel)) => return Some(tunnel.clone()),
                (id, Slot::Reserved) => key = id.checked_add(1)?,
            }
        }
    }

    /// The session that requests name by a tunnel and a session id.
    ///
    /// That is the one which frames with these ids belong to: in L2TPv2 by 16 bits of both; else by the session id alone,
    /// whichever tunnel it is in, unless sessions of several tunnels have it.
    pub fn session(&self, tunnel: &Tunnel, id: u32) -> Option<RcuArc<Session>> {
        let rcu = rcu::read_lock();
        let session = if tunnel.version() == 2 {
            // CAST: 16 bits count.
            self.v2_session(tunnel.id() as u16, id as u16, rcu.read_side())
        } else {
            self.v3_session(id, Some(tunnel.socket().key()), rcu.read_side())
        };
        session?.try_get()
    }

    /// The session whose interface was made with this name: of several, the newest one of the tunnel with the lowest id.
    ///
    /// The empty name finds a session that has no interface of its own.
    pub fn session_by_ifname(&self, name: &[u8]) -> Option<RcuArc<Session>> {
        let mut next = self.next_tunnel(0);
        while let Some(tunnel) = next {
            let session = tunnel.session_by_ifname(name);
            if session.is_some() {
                return session;
            }
            next = tunnel
                .id()
                .checked_add(1)
                .and_then(|id| self.next_tunnel(id));
        }
        None
    }

    /// Reserves a tunnel id.
    ///
    /// # Errors
    ///
    /// `EEXIST` if it is used or reserved.
    pub(crate) fn reserve(&self, id: u32) -> Result {
        let node = RBTreeNode::new(id, Slot::Reserved, GFP_KERNEL)?;
        let mut tunnels = self.tunnels.lock();
        if tunnels.get(&id).is_some() {
            return Err(EEXIST);
        }
        tunnels.insert(node);
        self.had_tunnels.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Puts a tunnel into its reserved place.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the tunnel has been deleted before it was there.
    pub(crate) fn publish(&self, tunnel: &RcuArc<Tunnel>) -> Result {
        let mut tunnels = self.tunnels.lock();
        if tunnel.is_dead() {
            return Err(ENODEV);
        }
        *tunnels.get_mut(&tunnel.id()).ok_or(ENODEV)? = Slot::Registered(tunnel.clone());
        Ok(())
    }

    /// Gives up a reserved id that was not used.
    pub(crate) fn unreserve(&self, id: u32) {
        let mut tunnels = self.tunnels.lock();
        if matches!(tunnels.get(&id), Some(Slot::Reserved)) {
            tunnels.remove(&id);
        }
    }

    /// Takes a tunnel out of the indices.
    pub(crate) fn remove_tunnel(&self, tunnel: &RcuArc<Tunnel>) {
        {
            let mut tunnels = self.tunnels.lock();
            if matches!(tunnels.get(&tunnel.id()), Some(Slot::Registered(there)) if there.ptr_eq(tunnel))
            {
                tunnels.remove(&tunnel.id());
            }
        }
        self.tunnels_by_socket.remove(tunnel);
    }

    /// The tunnel that sends and receives through a socket.
    #[inline]
    pub(crate) fn tunnel_by_socket<'a>(
        &self,
        socket: SocketKey,
        rcu: ReadSide<'a>,
    ) -> Option<&'a Shared<Tunnel>> {
        self.tunnels_by_socket
            .find(socket_hash(socket), rcu, |tunnel| {
                tunnel.socket().key() == socket
            })
    }

    /// The L2TPv2 session that a received frame is for.
    #[inline]
    pub(crate) fn v2_session<'a>(
        &self,
        tunnel: u16,
        session: u16,
        rcu: ReadSide<'a>,
    ) -> Option<&'a Shared<Session>> {
        let key = v2_key(tunnel.into(), session.into());
        self.v2_sessions
            .find(id_hash(key), rcu, |s| s.v2_key() == key)
    }

    /// The L2TPv3 session that a received frame is for.
    ///
    /// Usually the id decides, whatever socket the frame came through. Only if sessions of several tunnels have the same id,
    /// it must be that of the session's tunnel.
    #[inline]
    pub fn v3_session<'a>(
        &self,
        id: u32,
        socket: Option<SocketKey>,
        rcu: ReadSide<'a>,
    ) -> Option<&'a Shared<Session>> {
        self.v3_sessions.find(id_hash(id), rcu, |s| {
            s.id() == id && (!s.has_collided() || socket == Some(s.tunnel().socket().key()))
        })
    }

    /// Lets the pseudowire of a deleted session be closed soon.
    pub(crate) fn close_later(this: &Arc<Self>, session: RcuArc<Session>) {
        if !this.closing.push(session) {
            // A reaper has been queued for those before it, and will see it.
            return;
        }
        this.reapers.fetch_add(1, Ordering::Relaxed);
        let reaper = KBox::pin_init(
            pin_init!(Reaper {
                net: this.clone(),
                work <- new_work!("l2tp::reaper"),
            }),
            GFP_KERNEL,
        );
        let queued = match reaper {
            Ok(reaper) => REAPERS.enqueue(reaper).is_some(),
            // If it is queued already, it will see the session, too.
            Err(_) => matches!(REAPERS.enqueue(this.clone()), Some(Ok(()))),
        };
        if !queued {
            this.reapers.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Closes the pseudowires of all sessions that were deleted before this call, but for those whom others are closing, and waits
    /// until nobody uses their interfaces any more. May sleep; takes RTNL, so the caller must not hold it.
    fn reap(&self) {
        let reaping = self.reaping.lock();
        let mut devices = UnregisterList::new();
        // Sessions keep their pseudowires' modules loaded, whose code the end of the devices runs.
        let closed = PendingList::new();
        for session in self.closing.take_all() {
            session.pseudowire().close(&session, &mut devices);
            closed.push(session);
        }
        devices.unregister();
        self.reaped.notify_all();
        // Whoever holds a reference of one of these devices is not to delay the end of others.
        drop(reaping);
        devices.finish();
        drop(closed);
    }

    /// A reaper is about to end.
    fn reaper_done(&self) {
        self.reapers.fetch_sub(1, Ordering::Release);
        // Who has seen the number before waits now.
        let _reaping = self.reaping.lock();
        self.reaped.notify_all();
    }

    /// Waits until the interfaces of sessions that were deleted before this call have given up their names. This is a matter of grace
    /// periods; but as callers hold locks that many want, it does not wait for more than a second, nor after a signal. May sleep;
    /// the caller must not hold RTNL.
    pub fn settle(&self) {
        let mut left = msecs_to_jiffies(SETTLE);
        let mut reaping = self.reaping.lock();
        while !self.closing.is_empty() {
            match self.reaped.wait_interruptible_timeout(&mut reaping, left) {
                CondVarTimeoutResult::Woken { jiffies } => left = jiffies,
                CondVarTimeoutResult::Timeout | CondVarTimeoutResult::Signal { .. } => return,
            }
        }
    }
}

/// Key of an L2TPv2 session.
#[inline]
pub(crate) fn v2_key(tunnel: u32, session: u32) -> u32 {
    (tunnel & 0xffff) << 16 | (session & 0xffff)
}

/// Spreads ids, which are often consecutive or have few bits, over the buckets (Fibonacci hashing).
#[inline]
pub(crate) fn id_hash(id: u32) -> u32 {
    let product = id.wrapping_mul(0x9e37_79b9);
    product ^ (product >> 16)
}

/// Spreads the addresses of sockets over the buckets.
#[inline]
pub(crate) fn socket_hash(socket: SocketKey) -> u32 {
    // CAST: Addresses differ in the middle bits.
    id_hash((socket >> 6) as u32)
}
