// SPDX-License-Identifier: GPL-2.0

//! What can be done with a registered network device.

use crate::{
    rcu::Softirq,
    skb::{Reason, SkBuff},
};
use core::mem::size_of;
use kernel::{prelude::*, types::Opaque};
use net_bindings as c;

crate::percpu_section! {
    /// Whether this CPU is in [`Device::receive`].
    static RECEIVING;
}

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
    /// No trace is left of where it came from: route, connection, IPsec processing and marks of another namespace. It is dropped if it is too
    /// short for an Ethernet header, which does not count, if the device is down, or if it is larger than the MTU allows: these
    /// count as errors and as dropped.
    ///
    /// What is above the device may have seen the frame, and sent others, when this returns: the caller must not hold a lock.
    /// [`Device::receive_later`] is for those who do.
    #[inline]
    pub fn receive(&self, skb: SkBuff, len: u32, softirq: Softirq<'_>) {
        // What comes out of a tunnel in a tunnel waits for its turn, so that the stack is not used up.
        let Some(_receiving) = RECEIVING.enter(softirq) else {
            return self.receive_later(skb, len, softirq);
        };
        if let Some(skb) = self.admit(skb) {
            // SAFETY: The device is valid, and bottom halves are disabled, as the per-CPU statistics require. The packet is ours
            // and on the device. It is gone with this, whatever the result.
            unsafe {
                c::dev_dstats_rx_add(self.as_ptr(), len);
                c::netif_receive_skb(skb.into_raw());
            }
        }
    }

    /// Like [`Device::receive`], but the frame has only been queued when this returns. If the queue is full it is dropped, too.
    #[inline]
    pub fn receive_later(&self, skb: SkBuff, len: u32, _softirq: Softirq<'_>) {
        if let Some(skb) = self.admit(skb) {
            // SAFETY: As in `receive()`.
            unsafe {
                if c::netif_rx(skb.into_raw()) == c::NET_RX_SUCCESS as c_int {
                    c::dev_dstats_rx_add(self.as_ptr(), len);
                } else {
                    c::DEV_STATS_INC_rx_errors(self.as_ptr());
                }
            }
        }
    }

    /// Puts an Ethernet frame on the device, or drops it.
    #[inline]
    fn admit(&self, mut skb: SkBuff) -> Option<SkBuff> {
        if !skb.may_pull(c::ETH_HLEN as usize) {
            skb.discard(Reason::TooSmall);
            return None;
        }
        let skb = skb.into_raw();
        // SAFETY: The device is valid, and the packet ours, unshared, and long enough for the header that is pulled. If the first
        // function fails the packet is gone.
        unsafe {
            if c::____dev_forward_skb(self.as_ptr(), skb) != 0 {
                c::DEV_STATS_INC_rx_errors(self.as_ptr());
                return None;
            }
            let frame = (*skb).data;
            let protocol = c::eth_type_trans(skb, self.as_ptr());
            (*skb).__bindgen_anon_4.headers.as_mut().protocol = protocol;
            c::skb_postpull_rcsum(skb, frame.cast(), c::ETH_HLEN);
            Some(SkBuff::from_raw(skb))
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
