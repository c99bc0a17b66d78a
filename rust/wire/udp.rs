// SPDX-License-Identifier: GPL-2.0

//! The first look at a UDP payload: is it a data message, and of which version?

use crate::{flags, v2, v3, MIN_UDP_FRAME};

/// What the first bytes of a UDP payload announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A control message (T bit set, whatever the version): user space handles it.
    Control,
    /// A version 2 data message.
    V2(v2::DataHeader),
    /// A version 3 data message, or one of a version that does not exist.
    ///
    /// The caller finds the session and compares [`v3::SessionHeader::version`] with its tunnel's.
    V3(v3::SessionHeader),
}

/// Tells what a UDP payload is from its first bytes (RFC 3931 section 4.1.2.1, RFC 2661 section 3.1).
///
/// The T bit decides first, whatever the version is. Version 2 is read as such, and every other number
/// as version 3.
#[inline]
pub fn classify(first: &[u8; MIN_UDP_FRAME]) -> Frame {
    // Both bytes at once: the compiler reads one by one what is named one by one.
    let [flags @ .., _, _, _, _, _, _, _, _, _, _, _, _] = first;
    let bits = u16::from_be_bytes(*flags);

    if bits & flags::TYPE != 0 {
        Frame::Control
    } else if bits & flags::VERSION == v2::VERSION {
        Frame::V2(v2::DataHeader::parse(first))
    } else {
        let [session_header @ .., _, _, _, _, _, _] = first;
        Frame::V3(v3::SessionHeader::parse(session_header))
    }
}
