// SPDX-License-Identifier: GPL-2.0

//! Headers for transmission, built when the session is made and written for each frame.
//!
//! Everything but the sequence number is known beforehand, so that writing a header is two or three
//! stores of constant size, whatever its length.

use crate::sequence::Width;
use crate::v3::{self, DefaultSublayer, L2Spec};
use crate::{flags, v2, Cookie};

/// Length of the longest header: version 3 over UDP with a cookie of eight bytes and the default sublayer.
pub const MAX_LEN: usize = 20;

/// Where the sequence number goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// Version 2: in two more fields at the end, if there is one.
    V2,
    /// Version 3 without sublayer: nowhere.
    Plain,
    /// Version 3 with the default sublayer: into it.
    Sublayer,
}

/// The prebuilt header of a session's data messages.
///
/// | | without sequence number | with |
/// |---|---|---|
/// | version 2 (RFC 2661 section 3.1) | 6 bytes: flags and version, ids | 10: S set, Ns, Nr zero |
/// | version 3 (RFC 3931 section 4.1) | session header, cookie, sublayer (zero) | the same, S and Ns in the sublayer |
///
/// All other flags and reserved bits are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderTemplate {
    /// The header's first bytes; zero beyond its end.
    head: [u8; 16],
    /// The header's last bytes, so that they need not be looked for in `head`.
    tail: [u8; 8],
    /// Length without sequence number: 4 to [`MAX_LEN`].
    len: u8,
    layout: Layout,
}

impl HeaderTemplate {
    /// For version 2 over UDP. The ids are those that the peer assigned.
    pub fn v2(peer_tunnel_id: u16, peer_session_id: u16) -> Self {
        let [_, version] = v2::VERSION.to_be_bytes();
        let [t0, t1] = peer_tunnel_id.to_be_bytes();
        let [s0, s1] = peer_session_id.to_be_bytes();
        Self::new(Layout::V2, &[&[0, version, t0, t1, s0, s1]])
    }

    /// For version 3 over UDP. Id and cookie are those that the peer assigned.
    pub fn v3_udp(peer_session_id: u32, cookie: &Cookie, l2: L2Spec) -> Self {
        let [_, version] = v3::VERSION.to_be_bytes();
        Self::v3(&[0, version, 0, 0], peer_session_id, cookie, l2)
    }

    /// For version 3 directly over IP. Id and cookie are those that the peer assigned.
    pub fn v3_ip(peer_session_id: u32, cookie: &Cookie, l2: L2Spec) -> Self {
        Self::v3(&[], peer_session_id, cookie, l2)
    }

    fn v3(flags: &[u8], peer_session_id: u32, cookie: &Cookie, l2: L2Spec) -> Self {
        let id = peer_session_id.to_be_bytes();
        match l2 {
            L2Spec::None => Self::new(Layout::Plain, &[flags, &id, cookie.as_bytes()]),
            L2Spec::Default => {
                let sublayer = DefaultSublayer { ns: None }.to_bytes();
                let parts = [flags, &id, cookie.as_bytes(), &sublayer];
                Self::new(Layout::Sublayer, &parts)
            }
        }
    }

    fn new(layout: Layout, parts: &[&[u8]]) -> Self {
        let mut header = Self {
            head: [0; 16],
            tail: [0; 8],
            len: 0,
            layout,
        };
        for &byte in parts.iter().copied().flatten() {
            if let Some(place) = header.head.get_mut(usize::from(header.len)) {
                *place = byte;
            }
            let [_, rest @ ..] = header.tail;
            let [.., last] = &mut header.tail;
            *last = byte;
            let [first @ .., _] = &mut header.tail;
            *first = rest;
            header.len = header.len.saturating_add(1);
        }
        header
    }

    /// Bytes of the header. Only in version 2 does it depend on whether a sequence number is sent.
    #[inline]
    pub fn len(&self, sequenced: bool) -> usize {
        if sequenced && matches!(self.layout, Layout::V2) {
            v2::SEQUENCED_HEADER_LEN
        } else {
            usize::from(self.len)
        }
    }

    /// Whether there is a place for a sequence number. If not, none must be used up.
    #[inline]
    pub fn carries_sequence(&self) -> bool {
        !matches!(self.layout, Layout::Plain)
    }

    /// The cookie in a version 3 header, which `offset` bytes precede.
    pub fn cookie(&self, offset: usize) -> Cookie {
        let sublayer = match self.layout {
            Layout::Sublayer => L2Spec::Default.len(),
            Layout::V2 | Layout::Plain => 0,
        };
        let mut header = [0; MAX_LEN];
        header
            .get_mut(..usize::from(self.len))
            .map(|out| {
                self.copy(out);
                &*out
            })
            .and_then(|header| header.get(offset..header.len().checked_sub(sublayer)?))
            .and_then(Cookie::new)
            .unwrap_or(Cookie::NONE)
    }

    /// The width of the sequence numbers.
    #[inline]
    pub fn width(&self) -> Width {
        match self.layout {
            Layout::V2 => Width::Bits16,
            Layout::Plain | Layout::Sublayer => Width::Bits24,
        }
    }

    /// Writes the header, with the sequence number if one is given.
    ///
    /// `out` must be [`len`](Self::len)`(ns.is_some())` bytes long, or else its contents are unspecified.
    /// Of the number as many bits are sent as there is room for, none if
    /// [`carries_sequence`](Self::carries_sequence) says so.
    #[inline]
    pub fn write(&self, out: &mut [u8], ns: Option<u32>) {
        match (self.layout, ns) {
            (Layout::V2, Some(ns)) => self.write_sequenced_v2(out, ns),
            (Layout::Sublayer, Some(_)) => {
                self.copy(out);
                if let Some(out) = out.last_chunk_mut() {
                    *out = DefaultSublayer { ns }.to_bytes();
                }
            }
            _ => self.copy(out),
        }
    }

    /// Writes a version 2 header: eight bytes that end with Ns, then Nr.
    #[inline]
    fn write_sequenced_v2(&self, out: &mut [u8], ns: u32) {
        const SEQUENCE: u64 = (flags::SEQUENCE as u64) << 48;

        let [plain @ .., _, _, _, _, _, _, _, _] = self.head;
        let header = u64::from_be_bytes(plain) | SEQUENCE | u64::from(ns & Width::Bits16.mask());
        if let Some(out) = out.first_chunk_mut() {
            *out = header.to_be_bytes();
        }
        if let Some(out) = out.last_chunk_mut() {
            *out = [0; 2];
        }
    }

    /// Copies the header: its first bytes, then its last ones. They overlap, so that two copies of constant
    /// size do for many lengths.
    #[inline]
    fn copy(&self, out: &mut [u8]) {
        let [first4 @ .., _, _, _, _, _, _, _, _, _, _, _, _] = self.head;
        let [first8 @ .., _, _, _, _, _, _, _, _] = self.head;
        let [_, _, _, _, last4 @ ..] = self.tail;

        if let Some(out) = out.first_chunk_mut() {
            *out = self.head;
        } else if let Some(out) = out.first_chunk_mut() {
            *out = first8;
        } else if let Some(out) = out.first_chunk_mut() {
            *out = first4;
        }
        if let Some(out) = out.last_chunk_mut() {
            *out = self.tail;
        } else if let Some(out) = out.last_chunk_mut() {
            *out = last4;
        }
    }
}
