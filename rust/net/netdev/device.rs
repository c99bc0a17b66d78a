// SPDX-License-Identifier: GPL-2.0

//! What can be done with a registered network device.

use super::driver::header;
use crate::{
    rcu::Softirq,
    skb::{Load, Reason, SkBuff, Split},
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

/// Length of an Ethernet and an IPv4 header.
const HEADERS: usize = c::ETH_HLEN as usize + 20;

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

    /// Receives an Ethernet frame, as if the device had got it from a wire. `load` is what it counts as in the statistics.
    ///
    /// No trace is left of where it came from: route, connection, IPsec processing and marks of another namespace. It is dropped
    /// if it is too short for an Ethernet header, which does not count, if the device is down, or if it is larger than the MTU
    /// allows: these count as errors and as dropped.
    ///
    /// What is above the device may have seen the frame, and sent others, when this returns: the caller must not hold a lock.
    /// [`Device::receive_later`] is for those who do. Frames with TCP wait until the CPU has received what came with them, to be
    /// merged with others of their connection; those that are merged already wait as well, so as not to overtake the others.
    #[inline]
    pub fn receive(&self, skb: SkBuff, load: Load, softirq: Softirq<'_>) {
        // What comes out of a tunnel in a tunnel waits for its turn, so that the stack is not used up. With PREEMPT_RT another task's
        // frame may have to wait, too.
        let Some(_receiving) = RECEIVING.enter(softirq) else {
            return self.receive_later(skb, load, softirq);
        };
        let Some((skb, tcp)) = self.admit(skb) else {
            return;
        };
        if tcp {
            return self.receive_merged(skb, load, softirq);
        }
        self.count_received(load, softirq);
        // SAFETY: The packet is ours and on the device. It is gone with this, whatever the result.
        unsafe { c::netif_receive_skb(skb.into_raw()) };
    }

    /// Receives a frame that may be merged with others.
    fn receive_merged(&self, skb: SkBuff, load: Load, softirq: Softirq<'_>) {
        // gro_cells forgets where the transport header is. If it does not look for it either, nobody can split the frame any more.
        // SAFETY: The packet is ours and on the device.
        if skb.is_gso() && unsafe { c::gro_cells_pass(skb.as_ptr()) } {
            return self.queue(skb, load, softirq);
        }
        // SAFETY: The device is one of ours; the queues are there while it is up, and not looked at when it is not.
        let result = unsafe {
            let queues = &raw mut (*header(self.as_ptr())).gro;
            c::gro_cells_receive(queues, skb.into_raw())
        };
        self.count_result(result, load, softirq);
    }

    /// Like [`Device::receive`], but the frame has only been queued when this returns. If the queue is full it is dropped, too.
    #[inline]
    pub fn receive_later(&self, skb: SkBuff, load: Load, softirq: Softirq<'_>) {
        if let Some((skb, _)) = self.admit(skb) {
            self.queue(skb, load, softirq);
        }
    }

    /// Queues a frame that is on the device.
    fn queue(&self, skb: SkBuff, load: Load, softirq: Softirq<'_>) {
        // SAFETY: The packet is ours and on the device. It is gone with this, whatever the result.
        let result = unsafe { c::netif_rx(skb.into_raw()) };
        self.count_result(result, load, softirq);
    }

    /// Puts an Ethernet frame on the device, or drops it. The second result says whether it is of a TCP connection.
    #[inline(always)]
    fn admit(&self, mut skb: SkBuff) -> Option<(SkBuff, bool)> {
        let tcp = match skb.data().first_chunk() {
            Some(headers) => is_tcp(headers),
            None => match pull_headers(&mut skb) {
                Some(tcp) => tcp,
                None => {
                    skb.discard(Reason::TooSmall);
                    return None;
                }
            },
        };
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
            Some((SkBuff::from_raw(skb), tcp))
        }
    }

    #[inline]
    fn count_received(&self, load: Load, _softirq: Softirq<'_>) {
        // SAFETY: The device is valid and has statistics; the CPU does not change while bottom halves are disabled.
        unsafe { c::dev_dstats_rx_add(self.as_ptr(), load.packets, load.bytes) }
    }

    fn count_result(&self, result: c_int, load: Load, softirq: Softirq<'_>) {
        if result == c::NET_RX_SUCCESS as c_int {
            self.count_received(load, softirq);
        } else {
            // SAFETY: The device is valid.
            unsafe { c::DEV_STATS_INC_rx_errors(self.as_ptr()) };
        }
    }

    /// Counts transmitted packets.
    #[inline]
    pub fn count_transmitted(&self, load: Load, _softirq: Softirq<'_>) {
        // SAFETY: As in `count_received()`.
        unsafe { c::dev_dstats_tx_add(self.as_ptr(), load.packets, load.bytes) }
    }

    /// Counts packets that could not be transmitted.
    #[inline]
    pub fn count_transmit_dropped(&self, packets: u32, _softirq: Softirq<'_>) {
        for _ in 0..packets {
            // SAFETY: As in `count_received()`.
            unsafe { c::dev_dstats_tx_dropped(self.as_ptr()) }
        }
    }

    /// Whether the user of the device wants packets to go into UDP tunnels unsplit, wherever that leads
    /// (`ethtool -K <device> tx-udp_tnl-segmentation on`).
    pub fn splits_tunnelled(&self) -> bool {
        self.features() & c::NETIF_F_GSO_UDP_TUNNEL != 0
    }

    /// Whether an XDP program of the kernel's generic kind sees what the device receives. It is to see packets as they were on the wire:
    /// larger ones it cannot send elsewhere.
    #[inline]
    pub fn has_xdp_program(&self) -> bool {
        // SAFETY: The device is valid; the pointer is read once, and not followed.
        !unsafe { (&raw const (*self.as_ptr()).xdp_prog).read_volatile() }.is_null()
    }

    fn features(&self) -> c::netdev_features_t {
        // SAFETY: The device is valid; features are read once.
        unsafe { (&raw const (*self.as_ptr()).features).read_volatile() }
    }

    /// Splits a packet whose sender leaves that to those below, see [`SkBuff::split`]. The checksums are filled in.
    pub fn split(&self, skb: SkBuff) -> Split {
        skb.split(self.features() & (c::NETIF_F_SG | c::NETIF_F_FRAGLIST))
    }
}

/// Whether an Ethernet frame with these headers is of a TCP connection. Options of IP are not looked behind: such frames are not merged.
#[inline]
fn is_tcp(headers: &[u8; HEADERS]) -> bool {
    const TCP: u8 = c::IPPROTO_TCP as u8;
    const IPV4: u16 = c::ETH_P_IP as u16;
    const IPV6: u16 = c::ETH_P_IPV6 as u16;

    match u16::from_be_bytes([headers[12], headers[13]]) {
        IPV4 => headers[14] == 0x45 && headers[14 + 9] == TCP,
        IPV6 => headers[14 + 6] == TCP,
        _ => false,
    }
}

/// [`is_tcp`] of a frame that is short, or whose headers are not in the linear area, where they are then. `None` if there is no whole
/// Ethernet header, or no memory.
#[cold]
fn pull_headers(skb: &mut SkBuff) -> Option<bool> {
    if !skb.may_pull(skb.len().min(HEADERS).max(c::ETH_HLEN as usize)) {
        return None;
    }
    Some(skb.data().first_chunk().is_some_and(is_tcp))
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
