// SPDX-License-Identifier: GPL-2.0

//! The end of network devices, many at a time.

use super::{driver::header, DeviceSlot, Rtnl};
use core::ptr::null_mut;
use net_bindings as c;

/// Devices to be unregistered together.
///
/// To unregister a device takes several grace periods, in which RTNL is held; many take no longer than one. RTNL is taken when
/// the first device is added and held until the devices are unregistered, so nobody else can end or move them meanwhile. The
/// namespaces that the devices are in do not matter.
///
/// The devices are unregistered by [`UnregisterList::unregister`], and everything about them is gone when
/// [`UnregisterList::finish`] returns or the list is dropped. Until then their users must not need RTNL to make progress.
///
/// # Invariants
///
/// The devices chained from `first` through their headers are registered, and RTNL is held since the first of them was added.
pub struct UnregisterList {
    first: *mut c::net_device,
    rtnl: Option<Rtnl>,
}

impl UnregisterList {
    /// An empty list. RTNL is not taken.
    pub const fn new() -> Self {
        // INVARIANT: No device.
        Self {
            first: null_mut(),
            rtnl: None,
        }
    }

    /// Adds the device in `slot`, if there is one. The caller must not hold RTNL itself. Sleeps.
    pub fn add(&mut self, slot: &DeviceSlot) {
        let rtnl = self.rtnl.get_or_insert_with(Rtnl::lock);
        let dev = slot.get_locked(rtnl);
        if dev.is_null() {
            return;
        }
        // SAFETY: A device in a slot is one of ours, and registered. Its header is ours while RTNL is held.
        let header = unsafe { &mut *header(dev) };
        if !core::mem::replace(&mut header.queued, true) {
            header.next = core::mem::replace(&mut self.first, dev);
        }
    }

    /// Whether RTNL is held for the list.
    pub fn is_locked(&self) -> bool {
        self.rtnl.is_some()
    }

    /// Unregisters the devices. Their names are free then, but they have not ended, and RTNL is still held. Sleeps.
    pub fn unregister(&mut self) {
        let mut dev = core::mem::replace(&mut self.first, null_mut());
        if dev.is_null() {
            return;
        }
        let mut head = c::list_head {
            next: null_mut(),
            prev: null_mut(),
        };
        head.next = &raw mut head;
        head.prev = &raw mut head;
        while !dev.is_null() {
            // SAFETY: By the type invariant the device is registered and one of ours, and RTNL is held. The head is an
            // initialised list head.
            dev = unsafe {
                c::unregister_netdevice_queue(dev, &raw mut head);
                (*header(dev)).next
            };
        }
        // SAFETY: RTNL is held, and the list contains registered devices. It is empty afterwards.
        unsafe { c::unregister_netdevice_many(&raw mut head) };
    }

    /// Unregisters the devices and releases RTNL. Sleeps until nobody uses them any more, however long that takes.
    pub fn finish(self) {
        drop(self);
    }
}

impl Default for UnregisterList {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for UnregisterList {
    fn drop(&mut self) {
        self.unregister();
        // The devices end when RTNL is released.
        self.rtnl = None;
    }
}
