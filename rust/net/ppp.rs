// SPDX-License-Identifier: GPL-2.0

//! PPP channels: what generic PPP (`ppp_generic`) sends frames to and gets frames from.
//!
//! A channel is found by user space through its index, and attached to a unit, which is a network device, or bridged to another
//! channel. [`pppox`](crate::pppox) sockets have one each.
//!
//! All functions here are inlined into their users, so that only those depend on the module `ppp_generic`.
//!
//! C header: [`include/linux/ppp_channel.h`](srctree/include/linux/ppp_channel.h)

use crate::{
    namespace::Namespace,
    rcu::ReadSide,
    skb::SkBuff, //
};
use kernel::{
    error::to_result,
    prelude::*,
    types::Opaque, //
};
use net_bindings as c;

/// What a channel says about itself when it is registered.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Largest frame that is sent in one piece if the unit is a multilink bundle, in bytes.
    pub mtu: u16,
    /// Bytes that the channel puts in front of a frame. Packets are allocated with that much room by those who know the device.
    pub header_len: u16,
}

/// A PPP channel.
///
/// # Invariants
///
/// Wraps a live `struct ppp_channel` that is initialised: registered, or with a null `ppp`.
#[repr(transparent)]
pub struct Channel(Opaque<c::ppp_channel>);

// SAFETY: The functions that are called here lock what they need to, or read under RCU.
unsafe impl Sync for Channel {}

impl Channel {
    /// Borrows a channel.
    ///
    /// # Safety
    ///
    /// `ptr` must stay a valid, initialised channel for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut c::ppp_channel) -> &'a Self {
        // SAFETY: By the safety requirements; the type is a transparent wrapper. INVARIANT: As well.
        unsafe { &*ptr.cast() }
    }

    /// Registers the channel in a namespace.
    ///
    /// # Errors
    ///
    /// `ENOMEM`
    ///
    /// # Safety
    ///
    /// The channel is not registered, nor does anybody register it meanwhile. `private` and `ops` are what the operations of
    /// `ops` need, and stay valid until `ppp_unregister_channel()` has returned, which is called before the channel is freed.
    #[inline]
    pub(crate) unsafe fn register(
        &self,
        ns: &Namespace,
        config: &Config,
        ops: &'static c::ppp_channel_ops,
        private: *mut c_void,
    ) -> Result {
        let chan = self.0.get();
        // SAFETY: Nobody else uses an unregistered channel.
        unsafe {
            (*chan).private = private;
            (*chan).ops = ops;
            (*chan).mtu = config.mtu.into();
            (*chan).hdrlen = config.header_len.into();
            // No queue is needed in front of a channel that sends at once, and takes packets as they are.
            (*chan).direct_xmit = true;
        }
        // SAFETY: The channel is initialised, and the namespace alive; generic PPP counts it.
        to_result(unsafe { c::ppp_register_net_channel(ns.as_ptr(), chan) })
    }

    /// Hands a received frame up, which starts with its protocol field.
    #[inline]
    pub fn input(&self, skb: SkBuff, _read: ReadSide<'_>) {
        // SAFETY: The channel is valid by the type invariant. What it is registered as is freed by RCU, and `_read` proves that
        // this is a read-side critical section. The packet is given away.
        unsafe { c::ppp_input(self.0.get(), skb.into_raw()) }
    }

    /// Name of the device of the unit that the channel is attached to; `None` if it is not attached.
    #[inline]
    pub fn device_name(&self, _read: ReadSide<'_>) -> Option<[u8; 16]> {
        // SAFETY: As for `input()`. A device's name has 16 bytes; it may change under us, as for everybody who prints it.
        unsafe {
            let name = c::ppp_dev_name(self.0.get()).cast::<[u8; 16]>();
            (!name.is_null()).then(|| name.read())
        }
    }
}
