// SPDX-License-Identifier: GPL-2.0

//! Protocols: the trait, their registration, and the callbacks through which the kernel calls them.

use super::{
    Address,
    BoundTable,
    Delivered,
    Family,
    InetSocket,
    Layout,
    Message,
    Packet, //
};
use crate::{
    namespace::{Namespace, PernetRegistration, PernetSlot},
    rcu::Softirq,
    skb::{Reason, SkBuff},
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::{needs_drop, offset_of, size_of},
};
use kernel::{
    error::{from_result, to_result},
    prelude::*,
    ThisModule,
};
use net_bindings as c;

/// A protocol with datagram sockets (`SOCK_DGRAM`) directly over IP.
///
/// The functions of a socket run in process context and may sleep, unless they say otherwise.
pub trait Protocol: Sized + 'static {
    /// IPv4 or IPv6.
    type Family: Family;
    /// What the protocol knows of a socket besides what every socket has.
    type State: Default + Send + Sync;
    /// The bytes of a `struct sockaddr_*`.
    type Name: AsRef<[u8]>;

    /// Name in `/proc/net/protocols`, shorter than 32 bytes.
    const NAME: &'static str;
    /// `IPPROTO_*`: of sockets and packets.
    const NUMBER: u8;

    /// Where the protocol is registered.
    fn tables() -> &'static Tables<Self>;

    /// What a bound socket is found by.
    fn key(socket: &InetSocket<Self>) -> u32;

    /// A new socket.
    fn open(_socket: &InetSocket<Self>) {}

    /// bind().
    fn bind(socket: &InetSocket<Self>, address: &Address<'_>) -> Result;

    /// connect() to an address that is not `AF_UNSPEC`.
    fn connect(socket: &InetSocket<Self>, address: &Address<'_>) -> Result;

    /// getsockname(), or getpeername() if `peer`.
    fn name(socket: &InetSocket<Self>, peer: bool) -> Result<Self::Name>;

    /// sendmsg() of `len` bytes.
    fn send(socket: &InetSocket<Self>, message: &mut Message<'_>, len: usize) -> Result<usize>;

    /// recvmsg() of up to `len` bytes with the flags `MSG_*`.
    fn receive(
        socket: &InetSocket<Self>,
        message: &mut Message<'_>,
        len: usize,
        flags: u32,
    ) -> Result<usize>;

    /// The socket is being closed: nobody has it open any more.
    fn closed(socket: &InetSocket<Self>);

    /// A packet of the protocol's number has arrived. Softirq context.
    fn packet(ns: &Namespace, packet: Packet<Self::Family>, softirq: Softirq<'_>) -> Delivered;
}

/// What the kernel knows of a protocol: a `static`, registered while the module is loaded.
///
/// # Examples
///
/// ```ignore
/// static TABLES: Tables<MyProtocol> = Tables::new(); // MyProtocol::tables() returns it
/// let registration = TABLES.register(module)?;
/// ```
pub struct Tables<P: Protocol> {
    proto: UnsafeCell<c::proto>,
    ops: UnsafeCell<c::proto_ops>,
    switch: UnsafeCell<c::inet_protosw>,
    handler: UnsafeCell<<P::Family as Family>::Handler>,
    pernet: PernetSlot<BoundTable<P>>,
}

// SAFETY: The cells are only written before they are registered, by whoever initialises the module, and by the kernel after.
unsafe impl<P: Protocol> Sync for Tables<P> {}

impl<P: Protocol> Default for Tables<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Protocol> Tables<P> {
    /// Tables of a protocol that is not registered.
    pub const fn new() -> Self {
        Self {
            proto: UnsafeCell::new(pin_init::zeroed()),
            ops: UnsafeCell::new(pin_init::zeroed()),
            switch: UnsafeCell::new(pin_init::zeroed()),
            handler: UnsafeCell::new(pin_init::zeroed()),
            pernet: PernetSlot::new(),
        }
    }

    pub(super) fn pernet() -> &'static PernetSlot<BoundTable<P>> {
        &P::tables().pernet
    }

    /// Registers the protocol. Every socket of it keeps `module` loaded.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if somebody else has the protocol number, `EPERM` if the kind of socket is taken; `ENOBUFS`, `ENOMEM`. `EBUSY`
    /// if it is registered.
    pub fn register(&'static self, module: &'static ThisModule) -> Result<Registration<P>> {
        const {
            assert!(!needs_drop::<P::State>() && P::NAME.len() < 32);
        }
        let pernet = self.pernet.register()?;
        // SAFETY: The state of namespaces can be registered once, so this is the only caller until the end of the registration
        // that it makes, and the kernel does not know the tables yet.
        unsafe { self.fill(module) };
        let proto = ProtoRegistration::<P>::new(self)?;
        let handler = HandlerRegistration::<P>::new(self)?;
        let switch = SwitchRegistration::<P>::new(self)?;
        Ok(Registration {
            _switch: switch,
            _handler: handler,
            _proto: proto,
            _pernet: pernet,
        })
    }

    /// # Safety
    ///
    /// Nobody may be using the tables.
    unsafe fn fill(&self, module: &'static ThisModule) {
        let owner: *mut c::module = module.as_ptr().cast();
        // SAFETY: Ours alone by the safety requirements.
        let (proto, ops, switch, handler) = unsafe {
            (
                &mut *self.proto.get(),
                &mut *self.ops.get(),
                &mut *self.switch.get(),
                &mut *self.handler.get(),
            )
        };
        for (to, from) in proto.name.iter_mut().zip(P::NAME.bytes()) {
            *to = from;
        }
        proto.owner = owner;
        proto.init = Some(Callbacks::<P>::init);
        proto.close = Some(Callbacks::<P>::close);
        proto.destroy = Some(Callbacks::<P>::destroy);
        proto.bind = Some(Callbacks::<P>::bind);
        proto.connect = Some(Callbacks::<P>::connect);
        proto.disconnect = Some(Callbacks::<P>::disconnect);
        proto.ioctl = Some(Callbacks::<P>::ioctl);
        proto.sendmsg = Some(Callbacks::<P>::sendmsg);
        proto.recvmsg = Some(Callbacks::<P>::recvmsg);
        proto.backlog_rcv = Some(Callbacks::<P>::backlog_rcv);
        proto.hash = Some(Callbacks::<P>::hash);
        proto.unhash = Some(Callbacks::<P>::unhash);
        // CAST: A socket is some hundred bytes.
        proto.obj_size = size_of::<Layout<P>>() as c_uint;
        if size_of::<<P::Family as Family>::Private>() != 0 {
            proto.ipv6_pinfo_offset = offset_of!(Layout<P>, family) as c_uint;
        }
        P::Family::fill_proto(proto);

        ops.family = c_int::from(P::Family::AF);
        ops.owner = owner;
        ops.connect = Some(c::inet_dgram_connect);
        ops.socketpair = Some(c::sock_no_socketpair);
        ops.accept = Some(c::sock_no_accept);
        ops.getname = Some(Callbacks::<P>::getname);
        ops.poll = Some(c::datagram_poll);
        ops.gettstamp = Some(c::sock_gettstamp);
        ops.listen = Some(c::sock_no_listen);
        ops.shutdown = Some(c::inet_shutdown);
        ops.setsockopt = Some(c::sock_common_setsockopt);
        ops.getsockopt = Some(c::sock_common_getsockopt);
        ops.sendmsg = Some(c::inet_sendmsg);
        ops.recvmsg = Some(c::sock_common_recvmsg);
        ops.mmap = Some(c::sock_no_mmap);
        P::Family::fill_ops(ops);

        // CAST: `SOCK_DGRAM` is 2.
        switch.type_ = c::sock_type_SOCK_DGRAM as u16;
        switch.protocol = u16::from(P::NUMBER);
        switch.prot = self.proto.get();
        switch.ops = self.ops.get();

        P::Family::fill_handler(handler, Callbacks::<P>::packet);
    }
}

/// A registered [`Tables`]. Dropped in this order, when no socket is left: sockets keep the module loaded.
pub struct Registration<P: Protocol> {
    _switch: SwitchRegistration<P>,
    _handler: HandlerRegistration<P>,
    _proto: ProtoRegistration<P>,
    _pernet: PernetRegistration<BoundTable<P>>,
}

/// # Invariants
///
/// `proto` of the tables is registered.
struct ProtoRegistration<P: Protocol>(&'static Tables<P>);

impl<P: Protocol> ProtoRegistration<P> {
    fn new(tables: &'static Tables<P>) -> Result<Self> {
        // SAFETY: Filled in, and lives as long as the module.
        to_result(unsafe { c::proto_register(tables.proto.get(), 1) })?;
        // INVARIANT: Just registered.
        Ok(Self(tables))
    }
}

impl<P: Protocol> Drop for ProtoRegistration<P> {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariant; no socket is left.
        unsafe { c::proto_unregister(self.0.proto.get()) }
    }
}

/// # Invariants
///
/// `handler` of the tables is registered.
struct HandlerRegistration<P: Protocol>(&'static Tables<P>);

impl<P: Protocol> HandlerRegistration<P> {
    fn new(tables: &'static Tables<P>) -> Result<Self> {
        // SAFETY: Filled in, and lives as long as the module.
        to_result(unsafe { P::Family::add_handler(tables.handler.get(), P::NUMBER) })?;
        // INVARIANT: Just registered.
        Ok(Self(tables))
    }
}

impl<P: Protocol> Drop for HandlerRegistration<P> {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariant. Waits for packets that are being handled.
        unsafe { P::Family::remove_handler(self.0.handler.get(), P::NUMBER) }
    }
}

/// # Invariants
///
/// `switch` of the tables is registered.
struct SwitchRegistration<P: Protocol>(&'static Tables<P>);

impl<P: Protocol> SwitchRegistration<P> {
    fn new(tables: &'static Tables<P>) -> Result<Self> {
        // SAFETY: Filled in, and lives as long as the module.
        to_result(unsafe { P::Family::add_switch(tables.switch.get()) })?;
        // INVARIANT: Just registered.
        Ok(Self(tables))
    }
}

impl<P: Protocol> Drop for SwitchRegistration<P> {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariant. Waits for who is looking at it.
        unsafe { P::Family::remove_switch(self.0.switch.get()) }
    }
}

/// Adapts a [`Protocol`] to the kernel's callbacks.
///
/// # Safety
///
/// All of them are for the kernel only, which passes a live socket of the protocol, and valid arguments, by the contracts of
/// `struct proto`, `struct proto_ops` and protocol handlers.
struct Callbacks<P: Protocol>(PhantomData<P>);

#[allow(clippy::missing_safety_doc)]
impl<P: Protocol> Callbacks<P> {
    unsafe extern "C" fn init(sk: *mut c::sock) -> c_int {
        from_result(|| {
            let layout: *mut Layout<P> = sk.cast();
            // SAFETY: A new socket, of `obj_size` zeroed bytes, that nobody else knows; its namespace is alive.
            unsafe {
                // First of all, since `destroy()` runs even if this fails.
                (&raw mut (*layout).state).write(P::State::default());
                let ns = Namespace::from_raw(c::sock_net(sk));
                let table = Tables::<P>::pernet().get(ns).ok_or(ENODEV)?;
                (&raw mut (*layout).table).write(Some(table.clone()));
                // There are no ports to bind to automatically.
                (*sk.cast::<c::inet_sock>())
                    .sk
                    .__sk_common
                    .__bindgen_anon_3
                    .__bindgen_anon_1
                    .skc_num = u16::from(P::NUMBER);
                P::open(InetSocket::from_raw(sk));
            }
            Ok(0)
        })
    }

    unsafe extern "C" fn close(sk: *mut c::sock, _timeout: kernel::ffi::c_long) {
        // SAFETY: The socket is alive, and this is the end of it.
        unsafe { c::sk_common_release(sk) }
    }

    unsafe extern "C" fn destroy(sk: *mut c::sock) {
        // SAFETY: The socket is alive until after this callback.
        let socket = unsafe { InetSocket::<P>::from_raw(sk) };
        socket.leave_table();
        // SAFETY: As above.
        unsafe { P::Family::flush(sk) };
        P::closed(socket);
        // SAFETY: Nobody binds, connects or closes the socket any more, who are the ones to use the table.
        unsafe { (*sk.cast::<Layout<P>>()).table = None };
    }

    unsafe extern "C" fn bind(
        sk: *mut c::sock,
        address: *mut c::sockaddr_unsized,
        len: c_int,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The socket is alive, and the address valid for its length.
            let (socket, address) =
                unsafe { (InetSocket::from_raw(sk), Address::from_raw(address, len)) };
            P::bind(socket, &address.ok_or(EFAULT)?).map(|()| 0)
        })
    }

    unsafe extern "C" fn connect(
        sk: *mut c::sock,
        address: *mut c::sockaddr_unsized,
        len: c_int,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The socket is alive, and the address valid for its length.
            let (socket, address) =
                unsafe { (InetSocket::from_raw(sk), Address::from_raw(address, len)) };
            P::connect(socket, &address.ok_or(EFAULT)?).map(|()| 0)
        })
    }

    unsafe extern "C" fn disconnect(sk: *mut c::sock, flags: c_int) -> c_int {
        from_result(|| {
            // SAFETY: The socket is alive.
            let socket = unsafe { InetSocket::<P>::from_raw(sk) };
            let locked = socket.lock();
            if locked.is_bound() {
                locked.disconnect(flags)?;
            }
            Ok(0)
        })
    }

    unsafe extern "C" fn ioctl(sk: *mut c::sock, cmd: c_int, result: *mut c_int) -> c_int {
        // CAST: An ioctl is a mask.
        let value = match cmd as u32 {
            // SAFETY: The socket is alive.
            c::SIOCOUTQ => unsafe { c::sk_wmem_alloc_get(sk) },
            // SAFETY: The socket is alive, and the queue is locked while its first packet is looked at.
            c::SIOCINQ => unsafe {
                let queue = &raw mut (*sk).sk_receive_queue;
                c::spin_lock_bh(&raw mut (*queue).lock);
                let skb = c::skb_peek(queue);
                let len = if skb.is_null() { 0 } else { (*skb).len };
                c::spin_unlock_bh(&raw mut (*queue).lock);
                len as c_int
            },
            _ => return ENOIOCTLCMD.to_errno(),
        };
        // SAFETY: Valid for writes.
        unsafe { *result = value };
        0
    }

    unsafe extern "C" fn getname(
        sock: *mut c::socket,
        address: *mut c::sockaddr,
        peer: c_int,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The socket is open, hence has a live `sk` of the protocol.
            let socket = unsafe { InetSocket::<P>::from_raw((*sock).sk) };
            let name = P::name(socket, peer != 0)?;
            let name = name.as_ref();
            // SAFETY: The caller has room for any address.
            unsafe {
                address
                    .cast::<u8>()
                    .copy_from_nonoverlapping(name.as_ptr(), name.len())
            };
            // CAST: Addresses are shorter than 128 bytes.
            Ok(name.len() as c_int)
        })
    }

    unsafe extern "C" fn sendmsg(sk: *mut c::sock, msg: *mut c::msghdr, len: usize) -> c_int {
        from_result(|| {
            // SAFETY: Socket and message are valid.
            let (socket, mut message) =
                unsafe { (InetSocket::from_raw(sk), Message::from_raw(msg)) };
            // CAST: What was sent is shorter than `INT_MAX`.
            P::send(socket, &mut message, len).map(|sent| sent as c_int)
        })
    }

    unsafe extern "C" fn recvmsg(
        sk: *mut c::sock,
        msg: *mut c::msghdr,
        len: usize,
        flags: c_int,
    ) -> c_int {
        from_result(|| {
            // SAFETY: Socket and message are valid.
            let (socket, mut message) =
                unsafe { (InetSocket::from_raw(sk), Message::from_raw(msg)) };
            // CAST: A datagram is shorter than `INT_MAX`; flags are a mask.
            P::receive(socket, &mut message, len, flags as u32).map(|received| received as c_int)
        })
    }

    unsafe extern "C" fn backlog_rcv(sk: *mut c::sock, skb: *mut c::sk_buff) -> c_int {
        // SAFETY: Socket and packet are valid; an error leaves the packet to us.
        unsafe {
            if c::sock_queue_rcv_skb(sk, skb) >= 0 {
                return 0;
            }
            c::IP_INC_STATS(c::sock_net(sk), c::IPSTATS_MIB_INDISCARDS as c_int);
            SkBuff::from_raw(skb).discard(Reason::NotSpecified);
        }
        P::Family::QUEUE_FULL
    }

    /// Sockets that are not bound are nowhere, and bound ones enter their table when they are.
    unsafe extern "C" fn hash(_sk: *mut c::sock) -> c_int {
        0
    }

    /// Closing a socket takes it out; disconnecting does not.
    unsafe extern "C" fn unhash(_sk: *mut c::sock) {}

    unsafe extern "C" fn packet(skb: *mut c::sk_buff) -> c_int {
        // SAFETY: The IP layer owns the only reference to the packet, which has a device, and gives it to us. Its receive path runs
        // with bottom halves disabled.
        let (ns, packet, softirq) = unsafe {
            (
                Namespace::from_raw(c::skb_dev_net(skb)),
                Packet::new(SkBuff::from_raw(skb)),
                Softirq::assume(),
            )
        };
        P::packet(ns, packet, softirq).result()
    }
}
