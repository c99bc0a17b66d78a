// SPDX-License-Identifier: GPL-2.0

//! Merging of received datagrams that carry Ethernet frames of one TCP connection (GRO).
//!
//! A network device that receives several packets at once lets each protocol say whether one continues another. For a tunnel's
//! socket that is asked here. What is merged goes up once, through the IP layer, UDP, and the tunnel, and can be split again.
//!
//! C header: [`include/net/gro.h`](srctree/include/net/gro.h)

use super::{Adapter, Encapsulation};
use crate::{namespace::Namespace, rcu::Softirq};
use core::ptr::null_mut;
use kernel::prelude::*;
use net_bindings as c;

impl<E: Encapsulation> Adapter<E> {
    /// Length of the headers that must be the same in packets to be merged, of which `start` points to the first
    /// [`Encapsulation::LONGEST_SHARED`] bytes; `None` if these packets are not merged. `merged` is whether they have been.
    ///
    /// # Safety
    ///
    /// `sk` must be a live socket, and `start` null or readable for that many bytes. Only in softirq context.
    unsafe fn shared_header(sk: *mut c::sock, start: *const u8, merged: bool) -> Option<usize> {
        if start.is_null() {
            return None;
        }
        // SAFETY: By the safety requirements: the socket is alive, and so is its namespace; the bytes are readable.
        let (ns, start, softirq) = unsafe {
            (
                Namespace::from_raw(c::sock_net(sk)),
                core::slice::from_raw_parts(start, E::LONGEST_SHARED),
                Softirq::assume(),
            )
        };
        E::shared_header(ns, sk as usize, start, merged, softirq)
            .filter(|&length| length <= E::LONGEST_SHARED)
    }

    /// # Safety
    ///
    /// Only for the UDP layer, which passes a live socket, the packets held so far, and one whose UDP header has been pulled.
    pub(super) unsafe extern "C" fn gro_receive(
        sk: *mut c::sock,
        head: *mut c::list_head,
        skb: *mut c::sk_buff,
    ) -> *mut c::sk_buff {
        // SAFETY: By the safety requirements. The header is null or has as many bytes as asked for. Packets in the list of the
        // same flow as far as it was compared have come this way, and so have as many bytes in front of what is inner; they are
        // linked by their first member.
        unsafe {
            let offset = c::skb_gro_offset(skb);
            // CAST: A small constant.
            let longest = E::LONGEST_SHARED as u32;
            let start: *const u8 =
                c::skb_gro_header(skb, offset.wrapping_add(longest), offset).cast();
            let Some(length) = Self::shared_header(sk, start, false) else {
                c::gro_set_flush(skb);
                return null_mut();
            };
            let header = core::slice::from_raw_parts(start, length);
            let mut link = (*head).next;
            while link != head {
                let held: *mut c::sk_buff = link.cast();
                link = (*link).next;
                if c::gro_same_flow(held) {
                    let other = (*held).data.add(offset as usize);
                    if core::slice::from_raw_parts(other, length) != header {
                        c::gro_set_other_flow(held);
                    }
                }
            }
            // CAST: At most `longest`.
            c::skb_gro_pull(skb, length as u32);
            c::skb_gro_postpull_rcsum(skb, start.cast(), length as u32);
            c::call_gro_receive_eth(head, skb)
        }
    }

    /// # Safety
    ///
    /// Only for the UDP layer, which passes a live socket and a packet made of several, with the UDP payload at `offset`.
    pub(super) unsafe extern "C" fn gro_complete(
        sk: *mut c::sock,
        skb: *mut c::sk_buff,
        offset: c_int,
    ) -> c_int {
        let invalid = EINVAL.to_errno();
        // SAFETY: By the safety requirements. All headers of a merged packet are in the linear area, those inside of the tunnel,
        // which take more than any of ours, too.
        unsafe {
            let start = (*skb).data.add(offset as usize);
            let Some(length) = Self::shared_header(sk, start, true) else {
                return invalid;
            };
            // CAST: Both are small.
            let inner = offset.wrapping_add(length as c_int);
            // Somebody may have changed what the header means. Nothing behind the headers that were compared is to be written to.
            let network = inner.wrapping_add(c::ETH_HLEN as c_int);
            if network > c::gro_inner_network_offset(skb) as c_int {
                return invalid;
            }
            c::eth_gro_complete(skb, inner)
        }
    }
}
