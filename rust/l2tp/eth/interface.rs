// SPDX-License-Identifier: GPL-2.0

//! The network device of a session: what is sent to it goes into the tunnel.

use kernel::prelude::*;
use l2tp_core::{
    RcuArc,
    Session, //
};
use net::{
    netdev::{
        Device,
        Driver, //
    },
    rcu::Softirq,
    skb::{
        Reason,
        SkBuff, //
    },
};

/// The private data of the device. Its session lives at least as long.
pub(crate) struct Interface {
    pub(crate) session: RcuArc<Session>,
}

impl Driver for Interface {
    const TYPE_NAME: &'static CStr = c"l2tpeth";

    #[inline]
    fn transmit(&self, device: &Device, skb: SkBuff, softirq: Softirq<'_>) {
        if skb.is_gso() {
            return self.transmit_large(device, skb, softirq);
        }
        self.transmit_one(device, skb, softirq);
    }
}

impl Interface {
    #[inline]
    fn transmit_one(&self, device: &Device, mut skb: SkBuff, softirq: Softirq<'_>) {
        if skb.complete_checksum().is_err() {
            skb.discard(Reason::NoMemory);
            return self.count_refused(device, 1, softirq);
        }
        self.send(device, skb, softirq);
    }

    #[inline]
    fn send(&self, device: &Device, skb: SkBuff, softirq: Softirq<'_>) {
        // The device counts what was sent to it, without the headers to come.
        let load = skb.load(0);
        match self.session.transmit([], skb, softirq) {
            Ok(()) => device.count_transmitted(load, softirq),
            Err(_) => device.count_transmit_dropped(load.packets, softirq),
        }
    }

    /// Transmits a packet that is to be split: as it is if somebody will do that, else its parts.
    #[inline(never)]
    fn transmit_large(&self, device: &Device, skb: SkBuff, softirq: Softirq<'_>) {
        let trusted = device.splits_tunnelled();
        if self.session.takes_unsplit(&skb, trusted, softirq) {
            return self.send(device, skb, softirq);
        }
        let packets = skb.load(0).packets;
        let parts = device.split(skb);
        if parts.is_empty() {
            self.count_refused(device, packets, softirq);
        }
        for skb in parts {
            self.transmit_one(device, skb, softirq);
        }
    }

    /// Counts packets that did not get as far as the tunnel.
    #[cold]
    fn count_refused(&self, device: &Device, packets: u32, softirq: Softirq<'_>) {
        self.session.count_refused(packets);
        device.count_transmit_dropped(packets, softirq);
    }
}
