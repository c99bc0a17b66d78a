// SPDX-License-Identifier: GPL-2.0

//! What can be done with a registered network device.

use crate::{
    rcu::Softirq,
    skb::{Reason, SkBuff},
};
use core::mem::size_of;
use kernel::types::Opaque;
use net_bindings as c;

/// A network device, borrowed from somebody who keeps it alive: its own driver's callback, or an RCU read-side critical section.
///
/// # Invariants
///
/// Wraps a live `struct net_device` whose statistics are allocated.
#[repr(transparent)]
pub struct Device(Opaque<c::net_device>);

// SAFETY: A network device is shared by all CPUs; the methods are made for that.
unsafe impl Sync for Device {}

impl Device {
    /// Borrows a device.
    ///
    /// # Safety
    ///
    /// `ptr` must be a device that was registered, and stays valid, with its statistics, for `'a`.
    #[inline]
    pub(super) unsafe fn from_raw<'a>(ptr: *mut c::net_device) -> &'a Self {
        // SAFETY: By the safety requirements; the type is a transparent wrapper. INVARIANT: As well.
        unsafe { &*ptr.cast() }
    }

    /// The raw pointer.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut c::net_device {
        self.0.get()
    }

    /// The name. While somebody renames the device it may be a mixture of both names.
    pub fn name(&self) -> Name {
        let name: *const [u8; c::IFNAMSIZ as usize] = {
            // SAFETY: The device is valid.
            unsafe { &raw const (*self.as_ptr()).name }.cast()
        };
        // SAFETY: Valid and initialised for as long as the device. A writer may be at it, hence the volatile access: any bytes
        // are a valid value.
        Name(unsafe { name.read_volatile() })
    }

    /// Receives an Ethernet frame, as if the device had got it from a wire. `len` is what it counts as in the statistics, in bytes.
    ///
    /// The frame must be free of the traces of where it came from ([`SkBuff::scrub_decapsulated`]). It is dropped if it is too
    /// short for an Ethernet header, which does not count, if the device is down, if it is larger than the MTU allows, or if the
    /// CPU's backlog is full: these count as errors, and those that the network core drops also as dropped.
    #[inline]
    pub fn receive(&self, mut skb: SkBuff, len: u32, _softirq: Softirq<'_>) {
        if !skb.may_pull(c::ETH_HLEN as usize) {
            skb.discard(Reason::TooSmall);
            return;
        }
        // SAFETY: The device is valid, and the packet ours, unshared, and long enough for the header that is pulled. It is gone
        // with this, whatever the result. Bottom halves are disabled, as the per-CPU statistics require.
        unsafe {
            let dev = self.as_ptr();
            if c::dev_forward_skb(dev, skb.into_raw()) == c::NET_RX_SUCCESS as i32 {
                c::dev_dstats_rx_add(dev, len);
            } else {
                c::DEV_STATS_INC_rx_errors(dev);
            }
        }
    }

    /// Counts a transmitted packet of `len` bytes.
    #[inline]
    pub fn count_transmitted(&self, len: usize, _softirq: Softirq<'_>) {
        // SAFETY: The device is valid and has statistics; they are this CPU's while bottom halves are disabled.
        // CAST: No packet is longer than `u32::MAX`.
        unsafe { c::dev_dstats_tx_add(self.as_ptr(), len as u32) }
    }

    /// Counts a packet that could not be transmitted.
    #[inline]
    pub fn count_transmit_dropped(&self, _softirq: Softirq<'_>) {
        // SAFETY: As in `count_transmitted()`.
        unsafe { c::dev_dstats_tx_dropped(self.as_ptr()) }
    }
}

/// The name of a network device.
#[derive(Clone, Copy)]
pub struct Name([u8; c::IFNAMSIZ as usize]);

const _: () = assert!(size_of::<Name>() == 16);

impl Name {
    /// The bytes of the name, of which there are less than 16.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}
