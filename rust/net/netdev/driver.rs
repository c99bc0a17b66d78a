// SPDX-License-Identifier: GPL-2.0

//! What a driver provides, and the callbacks through which the network core reaches it.

use super::{Device, DeviceSlot};
use crate::{rcu::Softirq, skb::SkBuff};
use core::{
    marker::PhantomData,
    mem::{align_of, ManuallyDrop},
    ptr::null_mut,
};
use kernel::{prelude::*, sync::Arc};
use net_bindings as c;

/// What packets may leave to those below the devices, which are software themselves: to gather their parts, to fill in checksums,
/// and to be split. Not lists of packets: GSO writes a tunnel's headers in front of each without a look at how much room there is.
const OFFLOADS: u64 = c::NETIF_F_SG
    | c::NETIF_F_HW_CSUM
    | c::NETIF_F_FRAGLIST
    | c::NETIF_F_GSO_SOFTWARE & !c::NETIF_F_GSO_FRAGLIST;

/// Whether so many devices are transmitting one inside the other on this CPU that another tunnel would take too much of the stack: the limit
/// of the kernel's own IP tunnels.
#[inline]
pub fn is_nested_deep(_softirq: Softirq<'_>) -> bool {
    // SAFETY: Reads a number of this CPU (or task); bottom halves are disabled, so it is not another one's.
    unsafe { c::is_nested_deep() }
}

/// A driver of Ethernet devices; `Self` is the private data of one device.
///
/// The private data is made before the device and dropped with it: after its last packet was transmitted, in process context and
/// without RTNL held; or under RTNL, if the device could not be registered.
pub trait Driver: Send + Sync + Sized + 'static {
    /// Kind of device, as `DEVTYPE` in uevents.
    const TYPE_NAME: &'static CStr;

    /// Transmits a packet. It is consumed, whatever becomes of it, and counted by the driver.
    ///
    /// Several CPUs may be in here for the same device.
    fn transmit(&self, device: &Device, skb: SkBuff, softirq: Softirq<'_>);
}

/// The private memory of a device.
///
/// C zeroes and frees it with the device, so this type has no drop: [`Private::drop_data`] does that.
#[repr(C)]
pub(super) struct Private<D> {
    pub(super) header: Header,
    data: ManuallyDrop<D>,
}

/// The part of the private memory that is the same for all drivers. All of it is accessed under RTNL, or by the one who
/// allocates or ends the device.
pub(super) struct Header {
    /// Where received packets wait to be merged.
    pub(super) gro: c::gro_cells,
    /// The slot that the device is registered with.
    pub(super) slot: Option<Arc<DeviceSlot>>,
    /// Next device of an [`UnregisterList`](super::UnregisterList).
    pub(super) next: *mut c::net_device,
    /// Whether the device is in such a list, or was.
    pub(super) queued: bool,
    /// Whether the data has not been dropped yet.
    live: bool,
}

/// The header of a device of this kind.
///
/// # Safety
///
/// `dev` must be a device made by [`NewDevice::new`](super::NewDevice::new).
pub(super) unsafe fn header(dev: *mut c::net_device) -> *mut Header {
    // SAFETY: By the safety requirements the private memory is a `Private<D>`, which starts with the header.
    unsafe { private_memory(dev) }.cast()
}

/// The private memory of a device: `netdev_priv()`.
///
/// # Safety
///
/// `dev` must be a valid device.
#[inline]
pub(super) unsafe fn private_memory(dev: *mut c::net_device) -> *mut c_void {
    // SAFETY: Valid by the safety requirements.
    unsafe { &raw mut (*dev).priv_ }.cast()
}

impl<D: Driver> Private<D> {
    /// The kernel aligns the private memory to 32 bytes.
    pub(super) const ALIGNED: () = assert!(align_of::<Self>() <= 32);

    /// The private memory of a new device.
    pub(super) fn new(data: D) -> Self {
        Self {
            header: Header {
                gro: c::gro_cells { cells: null_mut() },
                slot: None,
                next: null_mut(),
                queued: false,
                live: true,
            },
            data: ManuallyDrop::new(data),
        }
    }

    /// Drops the data, unless that was done before.
    ///
    /// # Safety
    ///
    /// `dev` must be a device with a `Private<D>` that nobody else uses any more.
    pub(super) unsafe fn drop_data(dev: *mut c::net_device) {
        // SAFETY: By the safety requirements this is the only reference.
        let this = unsafe { &mut *private_memory(dev).cast::<Self>() };
        if core::mem::take(&mut this.header.live) {
            // SAFETY: Not dropped yet, as `live` says, nor will it be again.
            unsafe { ManuallyDrop::drop(&mut this.data) };
            this.header.slot = None;
        }
    }
}

/// The callbacks for driver `D`, with the types that C expects.
pub(super) struct Callbacks<D>(PhantomData<D>);

impl<D: Driver> Callbacks<D> {
    const OPS: c::net_device_ops = c::net_device_ops {
        ndo_init: Some(Self::init),
        ndo_uninit: Some(Self::uninit),
        ndo_start_xmit: Some(Self::start_xmit),
        ndo_set_mac_address: Some(c::eth_mac_addr),
        ..pin_init::zeroed()
    };

    const TYPE: c::device_type = c::device_type {
        name: D::TYPE_NAME.to_bytes_with_nul().as_ptr().cast(),
        ..pin_init::zeroed()
    };

    /// Fills in what is the same for all devices of the driver.
    ///
    /// # Safety
    ///
    /// `dev` must be a new device with private memory for a `Private<D>`.
    pub(super) unsafe extern "C" fn setup(dev: *mut c::net_device) {
        // SAFETY: The device is new and ours; the constants live for ever.
        unsafe {
            c::SET_NETDEV_DEVTYPE(dev, &Self::TYPE);
            c::ether_setup(dev);
            // Drivers push headers: they need packets of their own.
            c::netdev_clear_tx_skb_sharing(dev);
            c::netdev_set_lltx(dev);
            // Nothing waits here for a medium. Whoever wants a queue can still add one.
            c::netdev_set_no_queue(dev);
            (*dev).features |= OFFLOADS | c::NETIF_F_RXCSUM;
            // Off unless asked for, see `Device::splits_tunnelled()`.
            (*dev).hw_features |= OFFLOADS | c::NETIF_F_GSO_UDP_TUNNEL;
            (*dev).vlan_features |= OFFLOADS;
            c::netdev_set_dstats(dev);
            (*dev).netdev_ops = &Self::OPS;
            (*dev).needs_free_netdev = true;
            (*dev).priv_destructor = Some(Self::destroy);
        }
    }

    /// # Safety
    ///
    /// The network core calls this while it registers `dev`.
    unsafe extern "C" fn init(dev: *mut c::net_device) -> c_int {
        // SAFETY: The device is one of ours and not visible yet; its broadcast address has room for an Ethernet address.
        unsafe {
            let err = c::gro_cells_init(&raw mut (*header(dev)).gro, dev);
            if err != 0 {
                return err;
            }
            // The NAPI instances of the queues are not for others to find: a thread that polls one (`/sys/class/net/*/threaded`)
            // takes packets from the queue on any CPU, without a lock, while others are appended. A device without instances
            // refuses that. Netlink does not find them either, as they have no id; and to end them takes no head of their list.
            c::list_del_init(&raw mut (*dev).napi_list);
            c::eth_hw_addr_random(dev);
            c::eth_broadcast_addr((&raw mut (*dev).broadcast).cast());
            c::netdev_lockdep_set_classes(dev);
        }
        0
    }

    /// # Safety
    ///
    /// The network core calls this under RTNL when it unregisters `dev`, or fails to register it.
    unsafe extern "C" fn uninit(dev: *mut c::net_device) {
        // SAFETY: The device is one of ours, and RTNL is held.
        if let Some(slot) = unsafe { &(*header(dev)).slot } {
            // SAFETY: RTNL is held, and the device registered with this slot.
            unsafe { slot.clear() };
        }
        // SAFETY: The device is one of ours. It was initialised, and has been closed for a grace period: nobody receives.
        unsafe { c::gro_cells_destroy(&raw mut (*header(dev)).gro) };
    }

    /// # Safety
    ///
    /// The network core calls this with a packet to transmit, which it gives up.
    unsafe extern "C" fn start_xmit(
        skb: *mut c::sk_buff,
        dev: *mut c::net_device,
    ) -> c::netdev_tx_t {
        // SAFETY: The core transmits with bottom halves disabled (netpoll: with interrupts disabled, which is more).
        let softirq = unsafe { Softirq::assume() };
        // SAFETY: The device is registered, and the core does not let go of it during the call.
        let device = unsafe { Device::from_raw(dev) };
        // SAFETY: The private memory is a `Private<D>` whose data is dropped only after the last transmission. No reference to
        // all of it is made: the header may change meanwhile.
        let data: &D = unsafe { &(*private_memory(dev).cast::<Private<D>>()).data };
        // SAFETY: The core gives up its share of the packet. pktgen keeps another.
        match unsafe { SkBuff::from_raw_shared(skb) } {
            Some(skb) => data.transmit(device, skb, softirq),
            None => device.count_transmit_dropped(1, softirq),
        }
        c::netdev_tx_NETDEV_TX_OK
    }

    /// # Safety
    ///
    /// The network core calls this when nobody uses `dev` any more.
    unsafe extern "C" fn destroy(dev: *mut c::net_device) {
        // SAFETY: The private memory is a `Private<D>`, and nobody else uses it.
        unsafe { Private::<D>::drop_data(dev) }
    }
}
