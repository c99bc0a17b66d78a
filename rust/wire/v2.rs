// SPDX-License-Identifier: GPL-2.0

//! The L2TPv2 data message header (RFC 2661 section 3.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |T|L|x|x|S|x|O|P|x|x|x|x|  Ver  |          Length (opt)         |
//! |           Tunnel ID           |           Session ID          |
//! |             Ns (opt)          |             Nr (opt)          |
//! |      Offset Size (opt)        |    Offset pad... (opt)
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::{flags, MIN_UDP_FRAME};

/// The number of this version in the Ver field.
pub const VERSION: u16 = 2;

/// Length of the header that this driver sends without sequence numbers.
pub const HEADER_LEN: usize = 6;

/// Length of the header that this driver sends with sequence numbers.
pub const SEQUENCED_HEADER_LEN: usize = 10;

/// The header of a received data message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataHeader {
    /// The recipient's tunnel id.
    pub tunnel_id: u16,
    /// The recipient's session id.
    pub session_id: u16,
    /// Length of the whole message as its sender states it. For information: peers are known to send
    /// wrong ones, the UDP length decides.
    pub length: Option<u16>,
    /// Sequence number of this message.
    pub ns: Option<u16>,
    /// Present with Ns, but meaningless in a data message.
    pub nr: Option<u16>,
    /// Number of pad bytes after the Offset Size field.
    pub offset: Option<u16>,
    /// The sender asks for preferential treatment in local queueing. For information.
    pub priority: bool,
}

impl DataHeader {
    /// Reads the header from the first bytes of a message.
    ///
    /// Cannot fail: these bytes hold every field, if all are present. T and Ver are not looked at, see
    /// [`classify`](crate::udp::classify); reserved bits are ignored.
    #[inline]
    pub fn parse(first: &[u8; MIN_UDP_FRAME]) -> Self {
        let [flags_high, flags_low, length0, length1, ..] = *first;
        let bits = u16::from_be_bytes([flags_high, flags_low]);

        // The ten bytes that begin with the ids, behind the Length field or in its place.
        let (length, fields) = if bits & flags::LENGTH != 0 {
            let [_, _, _, _, fields @ ..] = first;
            (Some(u16::from_be_bytes([length0, length1])), fields)
        } else {
            let [_, _, fields @ .., _, _] = first;
            (None, fields)
        };
        let [tunnel0, tunnel1, session0, session1, a0, a1, b0, b1, c0, c1] = *fields;
        let a = u16::from_be_bytes([a0, a1]);
        let b = u16::from_be_bytes([b0, b1]);
        let c = u16::from_be_bytes([c0, c1]);

        let sequenced = bits & flags::SEQUENCE != 0;
        let has_offset = bits & flags::OFFSET != 0;
        let offset = if sequenced { c } else { a };

        Self {
            tunnel_id: u16::from_be_bytes([tunnel0, tunnel1]),
            session_id: u16::from_be_bytes([session0, session1]),
            length,
            ns: sequenced.then_some(a),
            nr: sequenced.then_some(b),
            offset: has_offset.then_some(offset),
            priority: bits & flags::PRIORITY != 0,
        }
    }

    /// Bytes up to and including Nr: 6 to 12, without the Offset Size field and the pad.
    #[inline]
    pub const fn fixed_len(&self) -> usize {
        match (self.length.is_some(), self.ns.is_some()) {
            (false, false) => 6,
            (true, false) => 8,
            (false, true) => 10,
            (true, true) => 12,
        }
    }

    /// Bytes in front of the payload, with the Offset Size field and the pad.
    ///
    /// The pad's length is the sender's claim: the result may exceed the message, which the caller
    /// checks before it uses it.
    #[inline]
    pub const fn header_len(&self) -> usize {
        match self.offset {
            None => self.fixed_len(),
            // At most 12 + 2 + 65535: cannot overflow.
            Some(pad) => self
                .fixed_len()
                .saturating_add(2)
                .saturating_add(pad as usize),
        }
    }
}

/// Writes another tunnel id into a header of ours, as [`HeaderTemplate`](crate::HeaderTemplate) makes it.
#[inline]
pub fn set_tunnel_id(header: &mut [u8], id: u16) {
    if let Some([_, _, place @ .., _, _]) = header.first_chunk_mut::<6>() {
        *place = id.to_be_bytes();
    }
}
