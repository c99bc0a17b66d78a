// SPDX-License-Identifier: GPL-2.0

//! Statistics of tunnels and sessions.
//!
//! What every packet counts is counted for each CPU; what goes wrong is counted in shared atomics.

use core::sync::atomic::{AtomicU64, Ordering};
use kernel::{fmt, prelude::*};
use net::{percpu::Counters, skb::Load};

/// A reading of all counters.
#[derive(Clone, Copy, Default, Debug)]
pub struct Stats {
    /// Frames sent.
    pub tx_packets: u64,
    /// Bytes sent, with L2TP headers.
    pub tx_bytes: u64,
    /// Frames that could not be sent.
    pub tx_errors: u64,
    /// Frames received and handed up.
    pub rx_packets: u64,
    /// Bytes received and handed up, with L2TP headers.
    pub rx_bytes: u64,
    /// Frames discarded for their sequence number, or for the lack of one. Sessions only.
    pub rx_seq_discards: u64,
    /// Frames put in order. Sessions only.
    pub rx_oos_packets: u64,
    /// Frames discarded for any reason. Sessions only.
    pub rx_errors: u64,
    /// Frames discarded for their cookie. Sessions only.
    pub rx_cookie_discards: u64,
    /// Frames that belong to a session and are invalid. Tunnels only.
    pub rx_invalid: u64,
}

impl Stats {
    /// Packets, bytes and errors sent, to be printed.
    pub fn tx(&self) -> impl fmt::Display {
        Direction(self.tx_packets, self.tx_bytes, self.tx_errors)
    }

    /// Packets, bytes and errors received, to be printed.
    pub fn rx(&self) -> impl fmt::Display {
        Direction(self.rx_packets, self.rx_bytes, self.rx_errors)
    }
}

/// Prints the three counters of a direction as all files have them.
struct Direction(u64, u64, u64);

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.0, self.1, self.2)
    }
}

/// The counters of a tunnel or session.
pub(crate) struct Statistics {
    traffic: Counters<4>,
    pub(crate) tx_errors: Count,
    pub(crate) rx_seq_discards: Count,
    pub(crate) rx_oos_packets: Count,
    pub(crate) rx_errors: Count,
    pub(crate) rx_cookie_discards: Count,
}

const TX_PACKETS: usize = 0;
const TX_BYTES: usize = 1;
const RX_PACKETS: usize = 2;
const RX_BYTES: usize = 3;

impl Statistics {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            traffic: Counters::new()?,
            tx_errors: Count::new(),
            rx_seq_discards: Count::new(),
            rx_oos_packets: Count::new(),
            rx_errors: Count::new(),
            rx_cookie_discards: Count::new(),
        })
    }

    /// Counts frames sent.
    #[inline(always)]
    pub(crate) fn transmitted(&self, load: Load) {
        let Load { packets, bytes } = load;
        self.traffic
            .add([(TX_PACKETS, packets.into()), (TX_BYTES, bytes.into())]);
    }

    /// Counts frames received.
    #[inline(always)]
    pub(crate) fn received(&self, load: Load) {
        let Load { packets, bytes } = load;
        self.traffic
            .add([(RX_PACKETS, packets.into()), (RX_BYTES, bytes.into())]);
    }

    /// Reads all counters, each by itself. What only tunnels count is not among them.
    pub(crate) fn read(&self) -> Stats {
        let [tx_packets, tx_bytes, rx_packets, rx_bytes] = self.traffic.sum();
        Stats {
            tx_packets,
            tx_bytes,
            tx_errors: self.tx_errors.get(),
            rx_packets,
            rx_bytes,
            rx_seq_discards: self.rx_seq_discards.get(),
            rx_oos_packets: self.rx_oos_packets.get(),
            rx_errors: self.rx_errors.get(),
            rx_cookie_discards: self.rx_cookie_discards.get(),
            rx_invalid: 0,
        }
    }
}

/// A counter that all CPUs share.
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline]
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
