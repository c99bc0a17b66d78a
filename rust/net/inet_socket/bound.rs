// SPDX-License-Identifier: GPL-2.0

//! Bound sockets of a protocol in a namespace.
//!
//! Sockets that are bound have a key, such as a port. Of those with the same key the one that was entered last is found first.
//! A socket is in the table through a link of its own and not counted by it: closing a socket takes it out.

use super::{Held, InetSocket, Locked, Protocol, Tables};
use crate::{
    lock::{SpinLockBh, SpinLockBhGuard},
    namespace::{Namespace, PernetSlot, PernetState},
};
use core::{marker::PhantomData, mem::offset_of, ptr::null_mut};
use kernel::{prelude::*, static_lock_class, sync::Arc};
use net_bindings as c;

/// Number of buckets, a power of two.
const BUCKETS: usize = 64;

/// What lockdep calls the lock. A static, since it compares names by address, and code that uses the table in another crate would
/// have a copy of a constant.
static LOCK_NAME: &CStr = c"BoundTable::buckets";

/// The buckets: lists through `skc_bind_node`.
///
/// # Invariants
///
/// The lists are well-formed, and all that is in them is live sockets of `P` of one namespace, whose `table` is the one that these
/// buckets are in: what unlinks them before they go.
struct Buckets<P: Protocol> {
    heads: [c::hlist_head; BUCKETS],
    len: usize,
    _p: PhantomData<fn() -> P>,
}

// SAFETY: The links are only used by who owns the buckets.
unsafe impl<P: Protocol> Send for Buckets<P> {}

/// The bound sockets of `P` in a namespace, see the [module documentation](self).
#[pin_data]
pub struct BoundTable<P: Protocol> {
    #[pin]
    buckets: SpinLockBh<Buckets<P>>,
}

impl<P: Protocol> PernetState for BoundTable<P> {
    fn slot() -> &'static PernetSlot<Self> {
        Tables::<P>::pernet()
    }

    fn new(_ns: &Namespace) -> Result<Arc<Self>> {
        let buckets = Buckets {
            heads: [c::hlist_head { first: null_mut() }; BUCKETS],
            len: 0,
            _p: PhantomData,
        };
        Arc::pin_init(
            pin_init!(Self {
                buckets <- SpinLockBh::new(buckets, LOCK_NAME, static_lock_class!()),
            }),
            GFP_KERNEL,
        )
    }

    fn exit(this: &Arc<Self>, _ns: &Namespace) {
        kernel::warn_on!(this.buckets.lock().len != 0);
    }
}

impl<P: Protocol> BoundTable<P> {
    /// The table while it is locked.
    pub(super) fn lock(&self) -> BoundSockets<'_, P> {
        BoundSockets {
            table: self,
            buckets: self.buckets.lock(),
        }
    }
}

/// The bound sockets while nobody else can change which they are, see [`Locked::bound_sockets`].
pub struct BoundSockets<'a, P: Protocol> {
    table: &'a BoundTable<P>,
    buckets: SpinLockBhGuard<'a, Buckets<P>>,
}

impl<P: Protocol> BoundSockets<'_, P> {
    /// The first socket with the key `key` that `matches`.
    pub fn find(
        &self,
        key: u32,
        matches: impl Fn(&InetSocket<P>) -> bool,
    ) -> Option<&InetSocket<P>> {
        let mut node = self.buckets.heads[bucket(key)].first;
        while !node.is_null() {
            // SAFETY: By the type invariant of the buckets the node is that of a live socket of `P`, which leaves the list under
            // the lock, before it goes.
            let socket = unsafe {
                InetSocket::from_raw(
                    node.byte_sub(offset_of!(
                        c::sock,
                        __sk_common.__bindgen_anon_4.skc_bind_node
                    ))
                    .cast(),
                )
            };
            if P::key(socket) == key && matches(socket) {
                return Some(socket);
            }
            // SAFETY: As above.
            node = unsafe { (*node).next };
        }
        None
    }

    fn remove(&mut self, socket: &InetSocket<P>) {
        let node = node(socket);
        // SAFETY: The socket is alive. Its node is unlinked (zero), or linked in one of the lists that we own: `pprev` is the
        // pointer to it and `next` null or another node.
        unsafe {
            if (*node).pprev.is_null() {
                return;
            }
            let (next, pprev) = ((*node).next, (*node).pprev);
            *pprev = next;
            if !next.is_null() {
                (*next).pprev = pprev;
            }
            (*node).next = null_mut();
            (*node).pprev = null_mut();
        }
        self.buckets.len = self.buckets.len.wrapping_sub(1);
    }

    fn insert(&mut self, socket: &InetSocket<P>) {
        self.remove(socket);
        let node = node(socket);
        let head = &raw mut self.buckets.heads[bucket(P::key(socket))].first;
        // SAFETY: The socket is alive, its node is not linked, and the list is ours. INVARIANT: The callers enter a socket into its
        // own table, from where closing it removes it.
        unsafe {
            let next = *head;
            (*node).next = next;
            (*node).pprev = head;
            if !next.is_null() {
                (*next).pprev = &raw mut (*node).next;
            }
            *head = node;
        }
        self.buckets.len = self.buckets.len.wrapping_add(1);
    }
}

fn bucket(key: u32) -> usize {
    let product = key.wrapping_mul(0x9e37_79b9);
    (product >> 16) as usize & (BUCKETS - 1)
}

fn node<P: Protocol>(socket: &InetSocket<P>) -> *mut c::hlist_node {
    // SAFETY: Alive by the type invariant.
    unsafe {
        &raw mut (*socket.as_ptr())
            .__sk_common
            .__bindgen_anon_4
            .skc_bind_node
    }
}

impl<P: Protocol> InetSocket<P> {
    /// The first bound socket in `ns` with the key `key` that `matches`.
    pub fn find(
        ns: &Namespace,
        key: u32,
        matches: impl Fn(&InetSocket<P>) -> bool,
    ) -> Option<Held<P>> {
        let sockets = Tables::<P>::pernet().get(ns)?.lock();
        sockets.find(key, matches).map(Held::new)
    }

    fn table(&self) -> Option<&BoundTable<P>> {
        // SAFETY: Alive by the type invariant; the field is constant while the socket can be used.
        unsafe { (*self.layout()).table.as_deref() }
    }

    /// Takes the socket out of the table of bound sockets. Called when it is closed.
    pub(super) fn leave_table(&self) {
        if let Some(table) = self.table() {
            table.lock().remove(self);
        }
    }
}

impl<P: Protocol> Locked<'_, P> {
    /// The bound sockets of the socket's namespace.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the socket has none: it is being closed.
    pub fn bound_sockets(&self) -> Result<BoundSockets<'_, P>> {
        Ok(self.table().ok_or(ENODEV)?.lock())
    }

    /// Enters the socket into its table, before all others there. It is bound from now on.
    ///
    /// Its key must not change after this.
    ///
    /// # Errors
    ///
    /// `EINVAL` if `sockets` is the table of another namespace.
    pub fn enter(&self, sockets: &mut BoundSockets<'_, P>) -> Result {
        if !self
            .table()
            .is_some_and(|own| core::ptr::eq(own, sockets.table))
        {
            return Err(EINVAL);
        }
        sockets.insert(self);
        self.set_bound();
        Ok(())
    }
}
