// SPDX-License-Identifier: GPL-2.0

//! Packets that stand for several: TCP and others may leave it to those below to split what they send (GSO), and to fill in
//! checksums. What such a packet counts as, how a tunnel takes it as it is, how it is split before that, and how it leaves a tunnel.

use super::{Reason, SkBuff};
use crate::namespace::Namespace;
use core::ptr::{null_mut, NonNull};
use kernel::prelude::*;
use net_bindings as c;

/// What a packet amounts to on a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Packets that it is, or will be split into.
    pub packets: u32,
    /// Bytes of all these packets.
    pub bytes: u32,
}

impl SkBuff {
    /// Whether the packet is to be split into several.
    #[inline]
    pub fn is_gso(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { c::skb_is_gso(self.as_ptr()) }
    }

    /// Whether what is to be split, or has unfinished checksums, is in a tunnel already.
    #[inline]
    pub fn is_encapsulated(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { c::skb_encapsulation(self.as_ptr()) }
    }

    /// What the packet amounts to if `overhead` bytes of headers are put in front of it, and of each that it is split into.
    #[inline]
    pub fn load(&self, overhead: usize) -> Load {
        if self.is_gso() {
            // SAFETY: Valid by the type invariant, and to be split.
            return self.gso_load(overhead, unsafe { c::skb_gso_headers(self.as_ptr()) });
        }
        Load {
            packets: 1,
            // CAST: Packets are shorter than 2^32 bytes.
            bytes: self.len().wrapping_add(overhead) as u32,
        }
    }

    /// Whether the packets that this one is to be split into have all the same IP identification. If that is done in a tunnel, the outer
    /// headers have, too: GSO cannot say it of the inner ones alone.
    pub fn has_fixed_id(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { c::skb_gso_fixedid(self.as_ptr()) }
    }

    /// Length of the longest of the packets that this one is to be split into.
    pub fn longest_part(&self) -> usize {
        // SAFETY: Valid by the type invariant.
        let (headers, payload) = unsafe {
            let skb = self.as_ptr();
            (c::skb_gso_headers(skb), c::skb_gso_size(skb))
        };
        (headers as usize).wrapping_add(payload.into())
    }

    /// [`SkBuff::load`] of packets that have `headers` bytes of headers of their own.
    #[cold]
    fn gso_load(&self, overhead: usize, headers: u32) -> Load {
        // SAFETY: Valid by the type invariant, and to be split.
        let packets = u32::from(unsafe { c::skb_gso_segs(self.as_ptr()) }).max(1);
        let each = headers.wrapping_add(overhead as u32);
        let bytes = (self.len() as u32).wrapping_add(overhead as u32);
        Load {
            packets,
            bytes: bytes.wrapping_add(each.wrapping_mul(packets.wrapping_sub(1))),
        }
    }

    /// Takes a tunnel's headers off, of which `len` bytes are left: those from the data pointer on, which must be in the linear
    /// area. Returns what the packet amounts to, with these bytes; `None` if they were not there, there is no memory, or where the packet is
    /// to be split is not behind them.
    ///
    /// If the packet is to be split, the tunnel has no part in that any more. A checksum of the packet, as some network devices
    /// compute it, is corrected for all headers from the transport header on.
    #[inline]
    pub fn decapsulate(&mut self, len: usize) -> Option<Load> {
        // CAST: Packets are shorter than 2^32 bytes.
        let bytes = self.len() as u32;
        if !self.pull(len) {
            return None;
        }
        let skb = self.as_ptr();
        // SAFETY: Valid by the type invariant. The transport header is that of the tunnel, which is in front of the data.
        unsafe {
            let offset = (*skb).__bindgen_anon_4.headers.as_ref().transport_header;
            let start = (*skb).head.add(usize::from(offset));
            let headers = ((*skb).data as usize).wrapping_sub(start as usize);
            c::skb_postpull_rcsum(skb, start.cast(), headers as u32);
            if self.is_encapsulated() {
                return self.decapsulate_offloads(len);
            }
        }
        Some(Load { packets: 1, bytes })
    }

    /// Takes the headers of IPv6, which the transport header ends, out of a checksum of the packet. The IPv6 layer leaves that to the last
    /// protocol of a packet; those of IPv4 have no part in it, since they have a checksum of their own.
    #[inline]
    pub fn subtract_ipv6(&mut self) {
        let skb = self.as_ptr();
        // SAFETY: Valid by the type invariant; both headers are in the linear part, which the IPv6 layer has read.
        unsafe {
            let headers = (*skb).__bindgen_anon_4.headers.as_ref();
            let start = (*skb).head.add(usize::from(headers.network_header));
            let len = headers
                .transport_header
                .wrapping_sub(headers.network_header);
            c::skb_postpull_rcsum(skb, start.cast(), len.into());
        }
    }

    /// [`SkBuff::decapsulate`] if something in the tunnel was left to those below.
    #[cold]
    fn decapsulate_offloads(&mut self, overhead: usize) -> Option<Load> {
        let load = if self.is_gso() {
            // SAFETY: Valid by the type invariant, and to be split.
            self.gso_load(overhead, unsafe { c::skb_gso_inner_headers(self.as_ptr()) })
        } else {
            self.load(overhead)
        };
        // SAFETY: Valid by the type invariant, and ours.
        (unsafe { c::skb_leave_tunnel_offloads(self.as_ptr()) } == 0).then_some(load)
    }

    /// Fills in the checksum that the sender has left to those below, if it has. The packet must not be one to be split.
    #[inline]
    pub fn complete_checksum(&mut self) -> Result {
        // SAFETY: Valid by the type invariant, and ours.
        unsafe {
            if c::skb_ip_summed_is_partial(self.as_ptr()) {
                return kernel::error::to_result(c::skb_checksum_help(self.as_ptr()));
            }
        }
        Ok(())
    }

    /// Prepares an Ethernet frame that is to be split for a tunnel's headers, with a UDP header without checksum among them: it is split
    /// later, inside the tunnel.
    ///
    /// To be called before the transport header is changed, and not if the packet [is in a tunnel](SkBuff::is_encapsulated).
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    #[cold]
    pub fn encapsulate_unsplit(&mut self) -> Result {
        // SAFETY: Valid by the type invariant, and ours. CAST: One bit of an enum.
        unsafe {
            c::skb_set_inner_ethernet(self.as_ptr());
            kernel::error::to_result(c::iptunnel_handle_offloads(
                self.as_ptr(),
                c::SKB_GSO_UDP_TUNNEL as c_int,
            ))
        }
    }

    /// Forgets what was said about checksums and tunnels in the packet, all of which is finished: it is not about the packet with more
    /// headers.
    #[inline]
    pub fn forget_offloads(&mut self) {
        // SAFETY: Valid by the type invariant.
        unsafe { c::skb_forget_offloads(self.as_ptr()) }
    }

    /// Like [`SkBuff::split`], of a packet of the namespace that begins with an IP header: what was in front of that has been pulled. The
    /// parts leave nothing to others, and are on the loopback device. One that is no IP packet is dropped, too.
    pub fn split_ip(mut self, ns: &Namespace) -> Split {
        let protocol = match self.data().first().map(|byte| byte >> 4) {
            Some(4) => c::ETH_P_IP,
            Some(6) => c::ETH_P_IPV6,
            _ => {
                self.discard(Reason::InvalidProtocol);
                return Split { next: null_mut() };
            }
        };
        self.reset_network_header();
        // SAFETY: Valid by the type invariant, and ours. CAST: EtherTypes have 16 bits.
        unsafe {
            (*self.as_ptr()).__bindgen_anon_4.headers.as_mut().protocol = (protocol as u16).to_be();
        }
        // Who splits a packet that is in a tunnel asks the device what that can do.
        self.detach(ns);
        self.split(0)
    }

    /// Splits a packet as its sender wants. `features` are what the packets may leave to others, of `NETIF_F_*`.
    ///
    /// The packet is dropped if there is no memory for that.
    pub fn split(self, features: u64) -> Split {
        // SAFETY: The packet is valid and ours. Null means that nothing needs to be done.
        let first = unsafe { c::__skb_gso_segment(self.as_ptr(), features, true) };
        match kernel::error::from_err_ptr(first) {
            // INVARIANT: A list of new packets.
            Ok(first) if !first.is_null() => {
                self.consume();
                Split { next: first }
            }
            // INVARIANT: One packet, which is in no list.
            Ok(_) => Split {
                next: self.into_raw(),
            },
            Err(_) => {
                self.discard(Reason::NoMemory);
                Split { next: null_mut() }
            }
        }
    }
}

/// The packets that one was split into, see [`SkBuff::split`].
///
/// # Invariants
///
/// `next` is null, or starts a null-terminated list of packets through `next` that are ours alone.
pub struct Split {
    next: *mut c::sk_buff,
}

impl Split {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.next.is_null()
    }
}

impl Iterator for Split {
    type Item = SkBuff;

    fn next(&mut self) -> Option<SkBuff> {
        let skb = NonNull::new(self.next)?.as_ptr();
        // SAFETY: By the type invariant the packet is valid and ours, and taken out of the list here.
        unsafe {
            let link = &raw mut (*skb).__bindgen_anon_1.__bindgen_anon_1.next;
            self.next = link.replace(null_mut());
            Some(SkBuff::from_raw(skb))
        }
    }
}

impl Drop for Split {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
