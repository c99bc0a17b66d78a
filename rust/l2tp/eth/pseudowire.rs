// SPDX-License-Identifier: GPL-2.0

//! The tunnel's end of a session: received frames go to the network device.

use kernel::{
    seq_file::SeqFile,
    seq_print,
    sync::Arc, //
};
use l2tp_core::{
    log_frame,
    Pseudowire,
    RcuArc,
    Session,
    Shared, //
};
use net::{
    module::ModuleRef,
    netdev::{
        Device,
        DeviceSlot,
        UnregisterList, //
    },
    rcu::{
        self,
        Softirq, //
    },
    seq_file::write_bytes,
    skb::{
        Load,
        Reason,
        SkBuff, //
    },
};

/// The pseudowire of an Ethernet session.
pub(crate) struct EthernetPseudowire {
    pub(crate) device: Arc<DeviceSlot>,
    /// The session's callbacks are code of this module.
    pub(crate) _module: ModuleRef,
}

impl EthernetPseudowire {
    /// The device, if it is there, and the frame ready for it.
    #[inline(always)]
    fn prepare<'a>(
        &self,
        session: &Session,
        mut skb: SkBuff,
        softirq: Softirq<'a>,
    ) -> Option<(&'a Device, SkBuff)> {
        let Some(device) = self.device.get(softirq.read_side()) else {
            skb.discard(Reason::DeviceNotReady);
            return None;
        };
        log_frame!(session, "{}: eth recv\n", skb.data());
        skb.clear_hash();
        Some((device, skb))
    }
}

impl Pseudowire for EthernetPseudowire {
    #[inline]
    fn receive(&self, session: &Shared<Session>, skb: SkBuff, load: Load, softirq: Softirq<'_>) {
        if let Some((device, skb)) = self.prepare(session, skb, softirq) {
            device.receive(skb, load, softirq);
        }
    }

    fn receive_in_order(
        &self,
        session: &Shared<Session>,
        skb: SkBuff,
        load: Load,
        softirq: Softirq<'_>,
    ) {
        if let Some((device, skb)) = self.prepare(session, skb, softirq) {
            device.receive_later(skb, load, softirq);
        }
    }

    fn may_merge(&self, softirq: Softirq<'_>) -> bool {
        self.device
            .get(softirq.read_side())
            .is_some_and(|device| !device.has_xdp_program())
    }

    fn close(&self, _session: &RcuArc<Session>, devices: &mut UnregisterList) {
        devices.add(&self.device);
    }

    fn show(&self, _session: &Shared<Session>, m: &SeqFile) {
        // The name of now: the device may have been renamed, and the session does not know.
        let name = self
            .device
            .get(rcu::read_lock().read_side())
            .map(|device| device.name());
        if let Some(name) = name {
            seq_print!(m, "   interface ");
            write_bytes(m, name.as_bytes());
            seq_print!(m, "\n");
        }
    }
}
