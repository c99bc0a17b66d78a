// SPDX-License-Identifier: GPL-2.0

//! Packets of IP protocol 115.
//!
//! What is neither a data frame of a session nor a control message for a socket is dropped: the sender is not told, as nobody is who
//! sends to somebody that does not listen for it.

use crate::{
    family::Family,
    socket::{Socket, Target}, //
};
use net::{
    inet_socket::{self, Delivered, Packet},
    namespace::Namespace,
    rcu::Softirq,
    skb::Reason,
};
use wire::v3;

/// A packet has arrived.
#[inline]
pub(crate) fn packet<F: Family>(
    ns: &Namespace,
    mut packet: Packet<F::Inet>,
    softirq: Softirq<'_>,
) -> Delivered {
    let skb = packet.skb_mut();
    let id = if skb.may_pull(v3::IP_HEADER_LEN) {
        skb.data().first_chunk().map(v3::ip_session_id)
    } else {
        None
    };
    match id {
        Some(0) => return control::<F>(ns, packet),
        Some(id) => {
            let family = <F::Inet as inet_socket::Family>::AF;
            l2tp_core::receive_ip(ns, id, family, packet.into_skb(), softirq);
        }
        None => packet.into_skb().discard(Reason::HeaderTruncated),
    }
    Delivered::DONE
}

/// A control message has arrived.
fn control<F: Family>(ns: &Namespace, mut packet: Packet<F::Inet>) -> Delivered {
    let skb = packet.skb_mut();
    let connection = if skb.pull(v3::IP_HEADER_LEN) && skb.may_pull(v3::CONTROL_HEADER_LEN) {
        skb.data().first_chunk().and_then(v3::control_connection_id)
    } else {
        None
    };
    let Some(connection) = connection else {
        packet.into_skb().discard(Reason::HeaderTruncated);
        return Delivered::DONE;
    };
    let target = Target::<F> {
        local: packet.destination(),
        peer: packet.source(),
        device: packet.interface(),
    };
    let Some(socket) = Socket::<F>::find(ns, connection, |socket| target.matches(socket)) else {
        packet.into_skb().discard(Reason::NoSocket);
        return Delivered::DONE;
    };
    if !socket.accepts(&packet) {
        packet.into_skb().discard(Reason::Policy);
        return Delivered::DONE;
    }
    packet.skb_mut().reset_conntrack();
    socket.deliver(packet)
}
