// SPDX-License-Identifier: GPL-2.0

//! Making and registering network devices.

use super::{
    driver::{header, private_memory, Callbacks, Private},
    Device, DeviceSlot, Driver, Name, Rtnl,
};
use crate::namespace::Namespace;
use core::{
    marker::PhantomData,
    mem::{size_of, ManuallyDrop},
    ptr::NonNull,
};
use kernel::{error::to_result, prelude::*, sync::Arc};
use net_bindings as c;

/// Where the name of a device comes from, as `/sys/class/net/*/name_assign_type` shows it.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum NameAssignment {
    /// The kernel picks a number for a template.
    Enumerated = c::NET_NAME_ENUM as u8,
    /// User space asked for it.
    User = c::NET_NAME_USER as u8,
}

/// Parameters of a new device.
pub struct Config<'a> {
    /// Name, less than 16 bytes; `%d` in it stands for a number that the kernel picks.
    pub name: &'a [u8],
    /// Where the name comes from.
    pub name_assignment: NameAssignment,
    /// Largest packet without the Ethernet header, in bytes.
    pub mtu: u32,
    /// Largest MTU that user space may set; the smallest is 0.
    pub max_mtu: u32,
    /// Bytes of headroom, beyond those for the Ethernet header, that the driver likes packets to have.
    pub needed_headroom: u16,
}

/// A device that is not registered yet. Dropping it frees it with its private data.
///
/// # Invariants
///
/// `dev` is a device for driver `D` which was never registered, with initialised private memory, and ours alone.
pub struct NewDevice<'a, D: Driver> {
    dev: NonNull<c::net_device>,
    _p: PhantomData<(&'a Namespace, D)>,
}

// SAFETY: The device is ours alone, and may be freed or registered from any task.
unsafe impl<D: Driver> Send for NewDevice<'_, D> {}

impl<'a, D: Driver> NewDevice<'a, D> {
    /// Allocates a device for the namespace `ns`, with the private data `data`. Sleeps.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the name is too long or contains NUL, `ENOMEM`.
    pub fn new(ns: &'a Namespace, config: &Config<'_>, data: D) -> Result<Self> {
        let () = Private::<D>::ALIGNED;
        let mut name = [0u8; c::IFNAMSIZ as usize];
        if config.name.len() >= name.len() || config.name.contains(&0) {
            return Err(EINVAL);
        }
        for (to, from) in name.iter_mut().zip(config.name) {
            *to = *from;
        }
        // SAFETY: The name is terminated by NUL, and `setup` is made for a device with this private memory.
        let dev = unsafe {
            c::alloc_netdev_mqs(
                size_of::<Private<D>>() as c_int,
                name.as_ptr().cast(),
                config.name_assignment as u8,
                Some(Callbacks::<D>::setup),
                1,
                1,
            )
        };
        let dev = NonNull::new(dev).ok_or(ENOMEM)?;
        let raw = dev.as_ptr();
        // SAFETY: The device is new and ours. Its private memory has room for the value and is aligned for it. The namespace
        // outlives the device as long as that is not registered, and moves or ends registered devices before it goes.
        unsafe {
            private_memory(raw)
                .cast::<Private<D>>()
                .write(Private::new(data));
            c::dev_net_set(raw, ns.as_ptr());
            (*raw).mtu = config.mtu;
            (*raw).min_mtu = 0;
            (*raw).max_mtu = config.max_mtu;
            (*raw).needed_headroom = config.needed_headroom;
        }
        // INVARIANT: All of it was done above.
        Ok(Self {
            dev,
            _p: PhantomData,
        })
    }

    /// Registers the device and puts it into `slot`, which must be empty. Returns its name.
    ///
    /// If that fails, the device is freed.
    ///
    /// # Errors
    ///
    /// `EEXIST` if the name is in use, `EINVAL` if it is not valid, `ENFILE` if there is no free number for it, `EBUSY` if the
    /// slot is not empty, `ENOMEM`, and what listeners to network devices return.
    pub fn register(self, rtnl: &Rtnl, slot: &Arc<DeviceSlot>) -> Result<Name> {
        if !slot.get_locked(rtnl).is_null() {
            return Err(EBUSY);
        }
        let dev = ManuallyDrop::new(self).dev.as_ptr();
        // SAFETY: By the type invariant the device is ours and was never registered. RTNL is held.
        let result = unsafe {
            (*header(dev)).slot = Some(slot.clone());
            to_result(c::register_netdevice(dev))
        };
        if let Err(error) = result {
            // SAFETY: Registration has been undone, or will be when RTNL is released: in that case, and only then, the network
            // core still uses the device, and will call the destructor and free the device itself.
            unsafe {
                if !c::netdev_is_unregistering(dev) {
                    Private::<D>::drop_data(dev);
                }
                c::free_netdev(dev);
            }
            return Err(error);
        }
        // SAFETY: Just registered, RTNL is held, and the slot was and is empty. `ndo_uninit`, which runs a grace period before the
        // device is gone, clears it.
        unsafe { slot.publish(dev) };
        // SAFETY: Registered, and it cannot go while RTNL is held.
        Ok(unsafe { Device::from_raw(dev) }.name())
    }
}

impl<D: Driver> Drop for NewDevice<'_, D> {
    fn drop(&mut self) {
        let dev = self.dev.as_ptr();
        // SAFETY: By the type invariant the device is ours, and was never registered.
        unsafe {
            Private::<D>::drop_data(dev);
            c::free_netdev(dev);
        }
    }
}
