// SPDX-License-Identifier: GPL-2.0

//! The cookie of an L2TPv3 session (RFC 3931 section 4.1).

/// Bytes of the longest cookie.
pub const MAX_LEN: usize = 8;

/// A value of up to 64 bits, chosen at random, that every data message of a session must carry.
///
/// It protects against misdirected and blindly forged messages (RFC 3931 section 8.2). The RFC knows the
/// lengths 0, 4 and 8; all from 0 to 8 are accepted here, as they always were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cookie {
    /// Zero beyond `len`.
    bytes: [u8; MAX_LEN],
    /// At most [`MAX_LEN`].
    len: u8,
}

impl Cookie {
    /// No cookie.
    pub const NONE: Self = Self {
        bytes: [0; MAX_LEN],
        len: 0,
    };

    /// Makes a cookie of these bytes; `None` if there are more than [`MAX_LEN`].
    pub fn new(value: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_LEN];
        bytes.get_mut(..value.len())?.copy_from_slice(value);
        Some(Self {
            bytes,
            len: u8::try_from(value.len()).ok()?,
        })
    }

    /// The number of bytes, 0 to [`MAX_LEN`].
    #[inline]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether the session has no cookie.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes in the order of transmission.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len()).unwrap_or(&self.bytes)
    }

    /// Whether `received`, the bytes that follow the session header, begin with this cookie.
    ///
    /// The time taken does not depend on the bytes compared. False if `received` is shorter than the
    /// cookie; true for [`NONE`](Self::NONE). Cheapest if `received` goes on for eight bytes or more.
    #[inline]
    pub fn matches(&self, received: &[u8]) -> bool {
        match received.first_chunk::<MAX_LEN>() {
            Some(first) => {
                let difference = u64::from_le_bytes(*first) ^ u64::from_le_bytes(self.bytes);
                difference & self.mask() == 0
            }
            None => self.matches_short(received),
        }
    }

    /// Ones where the cookie has bytes, the first byte being the lowest.
    #[inline]
    const fn mask(&self) -> u64 {
        let unused_bits = 64_u32.wrapping_sub((self.len as u32).wrapping_mul(8));
        match u64::MAX.checked_shr(unused_bits) {
            Some(mask) => mask,
            None => 0,
        }
    }

    /// [`matches`](Self::matches) for less than eight bytes.
    fn matches_short(&self, received: &[u8]) -> bool {
        let Some(received) = received.get(..self.len()) else {
            return false;
        };
        if let (4, Some(first), Some(own)) = (
            self.len,
            received.first_chunk::<4>(),
            self.bytes.first_chunk::<4>(),
        ) {
            return u32::from_le_bytes(*first) == u32::from_le_bytes(*own);
        }
        let difference = received
            .iter()
            .zip(&self.bytes)
            .fold(0, |difference, (theirs, ours)| difference | (theirs ^ ours));
        difference == 0
    }
}
