// SPDX-License-Identifier: GPL-2.0

//! Where the receive path finds a device.

use super::{Device, Rtnl};
use crate::rcu::ReadSide;
use core::{
    ptr::null_mut,
    sync::atomic::{AtomicPtr, Ordering},
};
use kernel::{prelude::*, sync::Arc};
use net_bindings as c;

/// A place for one registered device.
///
/// It is filled when a device has been registered with it, and emptied when that is unregistered.
///
/// # Invariants
///
/// `device` is null, or a device that was registered with this slot. It changes under RTNL, and before a device is gone a grace
/// period passes after it has become null.
pub struct DeviceSlot {
    device: AtomicPtr<c::net_device>,
}

impl DeviceSlot {
    /// An empty slot.
    pub fn new() -> Result<Arc<Self>> {
        // INVARIANT: Empty.
        let slot = Self {
            device: AtomicPtr::new(null_mut()),
        };
        Ok(Arc::new(slot, GFP_KERNEL)?)
    }

    /// The device, if there is one now.
    #[inline]
    pub fn get<'a>(&self, _read: ReadSide<'a>) -> Option<&'a Device> {
        let device = self.device.load(Ordering::Acquire);
        // SAFETY: By the type invariant the device, if any, was registered, and is not gone before the read-side critical section
        // ends, which lasts for `'a`.
        (!device.is_null()).then(|| unsafe { Device::from_raw(device) })
    }

    /// The device; stays there as long as RTNL is held, unless the holder unregisters it.
    pub(super) fn get_locked(&self, _rtnl: &Rtnl) -> *mut c::net_device {
        self.device.load(Ordering::Relaxed)
    }

    /// Fills the slot.
    ///
    /// # Safety
    ///
    /// The caller holds RTNL. `device` was just registered, the slot is empty, and [`DeviceSlot::clear`] will be called when it
    /// is unregistered, a grace period before it is gone.
    pub(super) unsafe fn publish(&self, device: *mut c::net_device) {
        // INVARIANT: By the safety requirements. Release: the receive path sees an initialised device.
        self.device.store(device, Ordering::Release);
    }

    /// Empties the slot.
    ///
    /// # Safety
    ///
    /// The caller holds RTNL, and is the device that the slot belongs to.
    pub(super) unsafe fn clear(&self) {
        // INVARIANT: By the safety requirements.
        self.device.store(null_mut(), Ordering::Relaxed);
    }
}
