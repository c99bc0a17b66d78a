// SPDX-License-Identifier: GPL-2.0

//! Network namespaces and a module's state in each of them.
//!
//! C headers: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h),
//! [`include/net/netns/generic.h`](srctree/include/net/netns/generic.h)

use crate::rcu::ReadSide;
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::size_of,
    ops::Deref,
    ptr::NonNull,
    sync::atomic::{AtomicBool, Ordering},
};
use kernel::{
    error::{from_result, to_result},
    prelude::*,
    sync::Arc,
    types::Opaque,
};
use net_bindings as c;

/// A network namespace, borrowed from somebody who keeps it alive (a request, a socket, a callback).
///
/// # Invariants
///
/// Wraps a live `struct net`.
#[repr(transparent)]
pub struct Namespace(Opaque<c::net>);

// SAFETY: `struct net` is shared by all CPUs; this type only passes its address to functions made for that.
unsafe impl Sync for Namespace {}

impl Namespace {
    /// Borrows a namespace.
    ///
    /// # Safety
    ///
    /// `ptr` must stay a valid namespace for `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *mut c::net) -> &'a Self {
        // SAFETY: By the safety requirements; the type is a transparent wrapper.
        unsafe { &*ptr.cast() }
    }

    /// The raw pointer.
    #[inline]
    pub fn as_ptr(&self) -> *mut c::net {
        self.0.get()
    }

    /// Whether the current task has `CAP_NET_ADMIN` in the user namespace that owns this one.
    pub fn has_net_admin(&self) -> bool {
        // SAFETY: The namespace is alive, and so is the user namespace that it belongs to.
        unsafe { c::ns_capable((*self.as_ptr()).user_ns, c::CAP_NET_ADMIN as c_int) }
    }

    /// Takes a counted reference, which keeps the namespace from exiting; `None` if it already does.
    pub fn try_get(&self) -> Option<NamespaceRef> {
        // SAFETY: Valid by the type invariant. INVARIANT: Counted unless null.
        NonNull::new(unsafe { c::maybe_get_net(self.as_ptr()) }).map(NamespaceRef)
    }
}

impl PartialEq for Namespace {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self, other)
    }
}

/// A counted reference to a network namespace.
///
/// # Invariants
///
/// Owns one count of the namespace.
pub struct NamespaceRef(NonNull<c::net>);

// SAFETY: The count may be given back anywhere.
unsafe impl Send for NamespaceRef {}
// SAFETY: Gives access to `&Namespace`, which is `Sync`.
unsafe impl Sync for NamespaceRef {}

impl NamespaceRef {
    /// Takes over a counted reference.
    ///
    /// # Safety
    ///
    /// `ptr` must be a valid namespace of which the caller gives up one count.
    pub unsafe fn from_raw(ptr: NonNull<c::net>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(ptr)
    }
}

impl Deref for NamespaceRef {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        // SAFETY: Alive by the type invariant, as long as `self`.
        unsafe { Namespace::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for NamespaceRef {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the count is ours.
        unsafe { c::put_net(self.0.as_ptr()) }
    }
}

/// A module's state in a network namespace.
///
/// The hooks run in process context and may sleep.
pub trait PernetState: Send + Sync + Sized + 'static {
    /// The slot through which this state is found.
    fn slot() -> &'static PernetSlot<Self>;

    /// Creates the state of a new namespace.
    fn new(ns: &Namespace) -> Result<Arc<Self>>;

    /// The namespace begins to exit: nobody can enter it any more. Runs before the hooks of all other modules that come after,
    /// and before any device is unregistered because of the exit. Packets can still arrive.
    ///
    /// After this the state is not found any more, and ends when all that may have found it before are done: those who hold a
    /// socket or device of the namespace, or are in an RCU read-side critical section.
    fn pre_exit(_this: &Arc<Self>, _ns: &Namespace) {}

    /// The namespace is gone after this.
    fn exit(_this: &Arc<Self>, _ns: &Namespace) {}

    /// All namespaces that exit together have done so, as far as this module is concerned. What was there before it, the IP layer
    /// for instance, ends there after this.
    fn exited() {}
}

/// What the kernel allocates for a module in each namespace, zeroed.
struct Area<T> {
    /// Whether the state can be found.
    open: AtomicBool,
    /// The state, from `init()` to `exit()`.
    state: Option<Arc<T>>,
}

/// Where a module finds its [`PernetState`]: a `static`, registered as a pernet *device* subsystem while the module is loaded.
///
/// # Examples
///
/// ```ignore
/// static STATE: PernetSlot<NetState> = PernetSlot::new(); // NetState::slot() returns it
/// let registration = STATE.register()?;
/// let state = STATE.get(ns);
/// ```
pub struct PernetSlot<T: PernetState> {
    id: UnsafeCell<c_uint>,
    ops: UnsafeCell<c::pernet_operations>,
    _p: PhantomData<T>,
}

// SAFETY: `id` and `ops` are only written by the kernel, while registering and unregistering, which it serialises; `id` is
// only read where a namespace has been initialised after that.
unsafe impl<T: PernetState> Sync for PernetSlot<T> {}

impl<T: PernetState> PernetSlot<T> {
    /// An unregistered slot.
    #[expect(clippy::new_without_default)] // Slots are statics.
    pub const fn new() -> Self {
        Self {
            id: UnsafeCell::new(0),
            ops: UnsafeCell::new(pin_init::zeroed()),
            _p: PhantomData,
        }
    }

    /// Registers the subsystem: creates the state of all namespaces, and of each that will be.
    ///
    /// # Errors
    ///
    /// What [`PernetState::new`] returned for some namespace, or `ENOMEM`. `EBUSY` if it is registered.
    pub fn register(&'static self) -> Result<PernetRegistration<T>> {
        // SAFETY: Module initialisation, of which there is one at a time, is the only caller; nobody uses the operations
        // before they are registered.
        unsafe {
            let ops = &mut *self.ops.get();
            if ops.init.is_some() {
                return Err(EBUSY);
            }
            ops.init = Some(Self::init);
            ops.pre_exit = Some(Self::pre_exit);
            ops.exit = Some(Self::exit);
            ops.exit_batch = Some(Self::exit_batch);
            ops.id = self.id.get();
            ops.size = size_of::<Area<T>>();
        }
        // SAFETY: The operations live as long as the module and are not moved.
        let err = to_result(unsafe { c::register_pernet_device(self.ops.get()) });
        if err.is_err() {
            // SAFETY: Not registered: ours alone again.
            unsafe { (*self.ops.get()).init = None };
        }
        // INVARIANT: Registered just above.
        err.map(|()| PernetRegistration { slot: self })
    }

    /// The state in `ns`; `None` while the subsystem is not registered, or not initialised there yet.
    pub fn get<'a>(&self, ns: &'a Namespace) -> Option<&'a Arc<T>> {
        let guard = crate::rcu::read_lock();
        // SAFETY: The read-side section is there while the area is looked up. What that leads to stays for longer, see there.
        let state = self.get_rcu(ns, unsafe { ReadSide::assume() });
        drop(guard);
        state
    }

    /// The same, for those who are in a read-side section anyhow.
    #[inline]
    pub fn get_rcu<'a>(&self, ns: &'a Namespace, _rcu: ReadSide<'a>) -> Option<&'a Arc<T>> {
        // SAFETY: `id` does not change while namespaces are initialised.
        let id = unsafe { *self.id.get() };
        if id == 0 {
            return None;
        }
        // SAFETY: The namespace is alive, and `id` was given out for an `Area`, which lives as long as that; or null, before.
        unsafe {
            let area = c::net_generic_rcu(ns.as_ptr(), id).cast::<Area<T>>();
            if area.is_null() || !(*area).open.load(Ordering::Acquire) {
                return None;
            }
            // The state stays until a grace period after `open` was cleared, which is in `pre_exit()`: after the last socket
            // that keeps the namespace, or the last user of the module. Who uses the state for longer holds one of these.
            let state = &(*area).state;
            state.as_ref()
        }
    }

    fn area(ns: &Namespace) -> *mut Area<T> {
        // SAFETY: Called from the hooks, where the namespace is alive and the identifier is set.
        unsafe { c::net_generic(ns.as_ptr(), *T::slot().id.get()) }.cast()
    }

    /// # Safety
    ///
    /// Only for the kernel's namespace code.
    unsafe extern "C" fn init(net: *mut c::net) -> c_int {
        // SAFETY: The kernel passes a valid namespace.
        let ns = unsafe { Namespace::from_raw(net) };
        from_result(|| {
            let state = T::new(ns)?;
            // SAFETY: The area is ours, zeroed, and nobody looks at the state before it is open.
            unsafe {
                let area = Self::area(ns);
                (&raw mut (*area).state).write(Some(state));
                (*area).open.store(true, Ordering::Release);
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Only for the kernel's namespace code.
    unsafe extern "C" fn pre_exit(net: *mut c::net) {
        // SAFETY: The kernel passes a valid namespace.
        let ns = unsafe { Namespace::from_raw(net) };
        if let Some(state) = T::slot().get(ns) {
            T::pre_exit(state, ns);
            // SAFETY: The area is valid as long as the namespace.
            unsafe { (*Self::area(ns)).open.store(false, Ordering::Release) };
        }
    }

    /// # Safety
    ///
    /// Only for the kernel's namespace code.
    unsafe extern "C" fn exit(net: *mut c::net) {
        // SAFETY: The kernel passes a valid namespace.
        let ns = unsafe { Namespace::from_raw(net) };
        // SAFETY: Written by `init()`, and the kernel has waited for a grace period since `pre_exit()`: nobody else uses it.
        if let Some(state) = unsafe { (&raw mut (*Self::area(ns)).state).replace(None) } {
            T::exit(&state, ns);
        }
    }

    /// # Safety
    ///
    /// Only for the kernel's namespace code.
    unsafe extern "C" fn exit_batch(_namespaces: *mut c::list_head) {
        T::exited();
    }
}

/// A registered [`PernetSlot`]; dropping it ends the state of all namespaces, calling all hooks of each.
///
/// # Invariants
///
/// The slot's operations are registered.
pub struct PernetRegistration<T: PernetState> {
    slot: &'static PernetSlot<T>,
}

impl<T: PernetState> Drop for PernetRegistration<T> {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariant.
        unsafe {
            c::unregister_pernet_device(self.slot.ops.get());
            (*self.slot.ops.get()).init = None;
        }
    }
}
