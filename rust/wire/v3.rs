// SPDX-License-Identifier: GPL-2.0

//! The L2TPv3 data message: session header and L2-specific sublayer (RFC 3931 sections 4.1 and 4.6).
//!
//! Over UDP the session header is four bytes of flags, version and reserved bits, then the session id;
//! directly over IP it is the session id alone. Cookie, L2-specific sublayer and payload follow. Which of
//! the two optional ones are there, and how long they are, is not on the wire: the session knows.

/// The number of this version in the Ver field.
pub const VERSION: u16 = 3;

/// Length of the session header over UDP, without cookie (RFC 3931 section 4.1.2.1).
pub const UDP_HEADER_LEN: usize = 8;

/// Length of the session header over IP, without cookie (RFC 3931 section 4.1.1.1).
pub const IP_HEADER_LEN: usize = 4;

/// The session header of a data message over UDP (RFC 3931 section 4.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionHeader {
    /// The recipient's session id.
    pub session_id: u32,
    /// The Ver field: 3, unless the sender is mistaken.
    pub version: u8,
}

impl SessionHeader {
    /// Reads the header. T is not looked at, see [`classify`](crate::udp::classify); reserved bits are
    /// ignored.
    #[inline]
    pub const fn parse(header: &[u8; UDP_HEADER_LEN]) -> Self {
        let [_, flags_low, _, _, id0, id1, id2, id3] = *header;
        Self {
            session_id: u32::from_be_bytes([id0, id1, id2, id3]),
            version: flags_low & 0x0f,
        }
    }
}

/// Reads the session id that begins every message over IP (RFC 3931 sections 4.1.1.1 and 4.1.1.2).
///
/// Zero says that a control message follows.
#[inline]
pub const fn ip_session_id(header: &[u8; IP_HEADER_LEN]) -> u32 {
    u32::from_be_bytes(*header)
}

/// Length of the control message header (RFC 3931 section 3.2.1).
pub const CONTROL_HEADER_LEN: usize = 12;

/// Reads the control connection id of a control message over IP, from the header that follows the zero
/// session id (RFC 3931 section 3.2.1).
///
/// `None` if T or L is clear, both of which a control message must set. The version is not looked at.
#[inline]
pub const fn control_connection_id(header: &[u8; CONTROL_HEADER_LEN]) -> Option<u32> {
    const TYPE_AND_LENGTH: u8 = 0xc0;

    let [flags_high, _, _, _, id0, id1, id2, id3, ..] = *header;
    if flags_high & TYPE_AND_LENGTH == TYPE_AND_LENGTH {
        Some(u32::from_be_bytes([id0, id1, id2, id3]))
    } else {
        None
    }
}

/// The kind of L2-specific sublayer between session header and payload (RFC 3931 section 4.6).
///
/// The numbers are those of the `L2TP_ATTR_L2SPEC_TYPE` attribute and of the L2-Specific Sublayer AVP
/// (RFC 3931 section 5.4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum L2Spec {
    /// No sublayer: the payload follows the session header. There is no place for sequence numbers.
    None = 0,
    /// The default sublayer, see [`DefaultSublayer`].
    Default = 1,
}

impl L2Spec {
    /// Bytes that the sublayer takes.
    #[inline]
    #[allow(
        clippy::len_without_is_empty,
        reason = "a length on the wire, not a container's"
    )]
    pub const fn len(self) -> usize {
        match self {
            Self::None => 0,
            Self::Default => DefaultSublayer::LEN,
        }
    }
}

impl TryFrom<u8> for L2Spec {
    /// The number that means no known sublayer.
    type Error = u8;

    #[inline]
    fn try_from(number: u8) -> Result<Self, u8> {
        match number {
            0 => Ok(Self::None),
            1 => Ok(Self::Default),
            unknown => Err(unknown),
        }
    }
}

/// The default L2-specific sublayer (RFC 3931 section 4.6).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |x|S|x|x|x|x|x|x|              Sequence Number                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultSublayer {
    /// The 24-bit sequence number, if S is set.
    pub ns: Option<u32>,
}

impl DefaultSublayer {
    /// Bytes that the sublayer takes.
    pub const LEN: usize = 4;

    /// S: the sequence number is valid.
    pub const SEQUENCE: u32 = 0x4000_0000;

    /// The bits of the sequence number.
    pub const NUMBER: u32 = 0x00ff_ffff;

    /// Reads the sublayer. Reserved bits are ignored.
    #[inline]
    pub const fn parse(bytes: &[u8; Self::LEN]) -> Self {
        let word = u32::from_be_bytes(*bytes);
        if word & Self::SEQUENCE != 0 {
            Self {
                ns: Some(word & Self::NUMBER),
            }
        } else {
            Self { ns: None }
        }
    }

    /// Builds the sublayer. Only the low 24 bits of the number are sent; without one, all is zero.
    #[inline]
    pub const fn to_bytes(self) -> [u8; Self::LEN] {
        match self.ns {
            Some(ns) => (Self::SEQUENCE | (ns & Self::NUMBER)).to_be_bytes(),
            None => [0; Self::LEN],
        }
    }
}
