// SPDX-License-Identifier: GPL-2.0

//! Ethernet network devices that software makes.
//!
//! A driver implements [`Driver`] for its private data. A device is allocated as a [`NewDevice`], which owns that data, and lives
//! by itself once it is registered: packets leave through [`Driver::transmit`], and come in through the [`DeviceSlot`] that it
//! was registered with, where the receive path finds the device for as long as it exists. An [`UnregisterList`] ends devices,
//! many at a time. Registration and its end are serialised by [`Rtnl`].
//!
//! C headers: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h),
//! [`include/linux/rtnetlink.h`](srctree/include/linux/rtnetlink.h)
//!
//! # Examples
//!
//! ```ignore
//! struct Loop(Arc<DeviceSlot>);
//!
//! impl Driver for Loop {
//!     const TYPE_NAME: &'static CStr = c"loop";
//!
//!     fn transmit(&self, device: &Device, skb: SkBuff, softirq: Softirq<'_>) {
//!         let load = skb.load(0);
//!         device.count_transmitted(load, softirq);
//!         device.receive(skb, load, softirq);
//!     }
//! }
//!
//! let slot = DeviceSlot::new()?;
//! let config = Config { name: b"loop%d", name_assignment: NameAssignment::Enumerated, mtu: 1500, max_mtu: 65535, needed_headroom: 0 };
//! let device = NewDevice::new(ns, &config, Loop(slot.clone()))?;
//! let name = device.register(&Rtnl::lock(), &slot)?;
//!
//! let mut devices = UnregisterList::new();
//! devices.add(&slot);
//! devices.finish(); // the device is gone, and its `Loop` dropped
//! ```

mod device;
mod driver;
mod new;
mod rtnl;
mod slot;
mod unregister;

pub use device::{Device, Name};
pub use driver::{is_nested_deep, Driver};
pub use new::{Config, NameAssignment, NewDevice};
pub use rtnl::Rtnl;
pub use slot::DeviceSlot;
pub use unregister::UnregisterList;
