// SPDX-License-Identifier: GPL-2.0

//! The trace events of L2TP: `/sys/kernel/tracing/events/l2tp/`.
//!
//! `trace.h` defines them; the declarations here repeat its prototypes. An event that is off costs one no-op instruction.

net::declare_trace! {
    /// A tunnel was registered. `fd` is the socket that user space gave, or negative; `encap` an `enum l2tp_encap_type`.
    pub(crate) fn register_tunnel(fd: i32, tid: u32, ptid: u32, version: i32, encap: u32);

    /// Deletion of a tunnel was requested for the first time.
    pub(crate) fn delete_tunnel(tid: u32);

    /// The last reference to a tunnel is gone.
    pub(crate) fn free_tunnel(tid: u32);

    /// A session was registered. `pwtype` is an `enum l2tp_pwtype`.
    pub(crate) fn register_session(tid: u32, ptid: u32, sid: u32, psid: u32, pwtype: u32);

    /// Deletion of a session was requested for the first time.
    pub(crate) fn delete_session(tid: u32, sid: u32);

    /// The last reference to a session is gone.
    pub(crate) fn free_session(tid: u32, sid: u32);

    /// A LAC started to send sequence numbers because its LNS did.
    pub(crate) fn session_seqnum_lns_enable(tid: u32, sid: u32);

    /// A LAC stopped sending sequence numbers because its LNS did.
    pub(crate) fn session_seqnum_lns_disable(tid: u32, sid: u32);

    /// Ns or Nr advanced.
    pub(crate) fn session_seqnum_update(tid: u32, sid: u32, ns: u32, nr: u32);

    /// Nr was set from a received packet.
    pub(crate) fn session_seqnum_reset(tid: u32, sid: u32, ns: u32, nr: u32);

    /// A packet was discarded: it waited in the reorder queue for too long.
    pub(crate) fn session_pkt_expired(tid: u32, sid: u32, pkt_ns: u32, my_nr: u32, reorder_q_len: u32);

    /// A packet was discarded: its sequence number is outside of the receive window.
    pub(crate) fn session_pkt_outside_rx_window(tid: u32, sid: u32, pkt_ns: u32, my_nr: u32, reorder_q_len: u32);

    /// A packet was discarded: it was out of sequence, and the session does not reorder.
    pub(crate) fn session_pkt_oos(tid: u32, sid: u32, pkt_ns: u32, my_nr: u32, reorder_q_len: u32);
}
