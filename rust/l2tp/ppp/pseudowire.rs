// SPDX-License-Identifier: GPL-2.0

//! The session's side: received frames go to the socket, or to generic PPP through the socket's channel.

use crate::{
    socket::{
        PppSocket,
        PppoL2tp, //
    },
    LocalModule,
};
use core::sync::atomic::{
    AtomicU8,
    Ordering, //
};
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::SetOnce, //
};
use l2tp_core::{
    log,
    Pseudowire,
    RcuArc,
    Session,
    Shared, //
};
use net::{
    module::{
        this_module,
        ModuleRef, //
    },
    netdev::UnregisterList,
    pppox::{
        Socket,
        SocketSlot, //
    },
    ratelimit::RateLimit,
    rcu::{
        self,
        ReadSide,
        Softirq, //
    },
    seq_file::write_bytes,
    skb::{
        Load,
        Reason,
        SkBuff, //
    },
};

/// No socket has been attached.
const FREE: u8 = 0;
/// A socket is or is being attached.
const TAKEN: u8 = 1;
/// The session has been closed.
const CLOSED: u8 = 2;

/// The pseudowire of a PPP session.
pub(crate) struct PppPseudowire {
    socket: SocketSlot<PppoL2tp>,
    /// [`FREE`], [`TAKEN`] or [`CLOSED`]. A session has one socket in its life at most.
    ///
    /// Who attaches a socket sets `socket` and then looks whether this has become [`CLOSED`]; who closes the session sets this
    /// and then looks for a socket. So one of them sees what the other did, and parts session and socket.
    state: AtomicU8,
    /// The task that made the session.
    owner: i32,
    /// The session's callbacks are code of this module. A socket keeps it loaded as well, until it is parted from the session.
    module: SetOnce<ModuleRef>,
}

impl PppPseudowire {
    fn new(state: u8) -> Self {
        Self {
            socket: SocketSlot::new(),
            state: AtomicU8::new(state),
            owner: kernel::current!().pid(),
            module: SetOnce::new(),
        }
    }

    /// That of a session which a socket may be attached to.
    pub(crate) fn without_socket() -> Result<Self> {
        let this = Self::new(FREE);
        this.keep_module();
        if this.module.as_ref().is_none() {
            return Err(ENODEV);
        }
        Ok(this)
    }

    /// That of a session which is made for a socket, to be [attached](Self::attach).
    pub(crate) fn for_socket() -> Self {
        Self::new(TAKEN)
    }

    /// Keeps the module loaded for as long as the session exists. To be called while a socket, or a caller, does that.
    pub(crate) fn keep_module(&self) {
        if let Some(module) = ModuleRef::try_get(this_module::<LocalModule>()) {
            self.module.populate(module);
        }
    }

    /// The task that made the session: the thread's id in the initial namespace of process ids.
    pub(crate) fn owner(&self) -> i32 {
        self.owner
    }

    /// The socket, if one is attached now.
    pub(crate) fn socket<'a>(&self, read: ReadSide<'a>) -> Option<&'a PppSocket> {
        self.socket.get(read)
    }

    /// Reserves the session for a socket.
    ///
    /// # Errors
    ///
    /// `EEXIST` if it has or had one, or has been closed.
    pub(crate) fn take(&self) -> Result {
        self.state
            .compare_exchange(FREE, TAKEN, Ordering::SeqCst, Ordering::SeqCst)
            .map(|_| ())
            .map_err(|_| EEXIST)
    }

    /// Undoes [`PppPseudowire::take`].
    pub(crate) fn give_back(&self) {
        // If it is closed it stays so.
        let _ = self
            .state
            .compare_exchange(TAKEN, FREE, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Attaches a socket to the session, which was made or [taken](Self::take) for it.
    pub(crate) fn attach(&self, session: &RcuArc<Session>, socket: &PppSocket) {
        socket.session.replace(Some(session.clone()));
        self.socket.replace(socket.try_hold());
        if self.state.load(Ordering::SeqCst) == CLOSED {
            self.part();
        }
    }

    /// Parts session and socket.
    fn part(&self) {
        if let Some(socket) = self.socket.replace(None) {
            drop(socket.session.replace(None));
        }
    }
}

/// A frame arrived for a session that has no socket.
#[cold]
fn no_socket(session: &Session, skb: SkBuff) {
    log!(session, Data, info, "{}: no socket\n");
    static LIMIT: RateLimit = RateLimit::new();
    if LIMIT.allows() {
        pr_warn!("{}: no socket in recv\n", session.name());
    }
    skb.discard(Reason::NoSocket);
}

impl Pseudowire for PppPseudowire {
    #[inline]
    fn receive(
        &self,
        session: &Shared<Session>,
        mut skb: SkBuff,
        load: Load,
        softirq: Softirq<'_>,
    ) {
        let Some(socket) = self.socket.get(softirq.read_side()) else {
            return no_socket(session, skb);
        };
        // Address and Control are what PPP peers may agree to leave out, but L2TP's have not been asked to.
        if skb.may_pull(2) && skb.data().starts_with(&[0xff, 0x03]) {
            skb.pull_header(2);
        }
        if socket.is_bound() {
            log!(
                session,
                Data,
                debug,
                "{}: recv {} byte data frame, passing to ppp\n",
                load.bytes
            );
            socket.channel().input(skb, softirq.read_side());
        } else {
            log!(
                session,
                Data,
                debug,
                "{}: recv {} byte data frame, passing to L2TP socket\n",
                load.bytes
            );
            if let Err(skb) = socket.queue(skb) {
                session.count_receive_error();
                drop(skb);
            }
        }
    }

    fn close(&self, _session: &RcuArc<Session>, _devices: &mut UnregisterList) {
        self.state.store(CLOSED, Ordering::SeqCst);
        // Others may refer to the session for longer than the socket lives. It holds the module until it is parted from us.
        self.keep_module();
        self.part();
    }

    fn show(&self, _session: &Shared<Session>, m: &SeqFile) {
        let guard = rcu::read_lock();
        if let Some(socket) = self.socket.get(guard.read_side()) {
            show_interface(socket, m, guard.read_side());
        }
    }
}

/// Prints which device a socket's channel is attached to.
pub(crate) fn show_interface(socket: &Socket<PppoL2tp>, m: &SeqFile, read: ReadSide<'_>) {
    seq_print!(m, "   interface ");
    match socket.channel().device_name(read) {
        Some(name) => write_bytes(m, name.split(|byte| *byte == 0).next().unwrap_or(&[])),
        // As C prints it.
        None => seq_print!(m, "(null)"),
    }
    seq_print!(m, "\n");
}
