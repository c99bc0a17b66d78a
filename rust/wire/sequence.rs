// SPDX-License-Identifier: GPL-2.0

//! Arithmetic on sequence numbers, which wrap around (RFC 2661 section 5.4, RFC 3931 section 4.6.1).

/// The width of a session's sequence numbers.
///
/// Each value is the greatest number of its width, which is also the mask of its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Width {
    /// L2TPv2: 16 bits.
    Bits16 = 0xffff,
    /// L2TPv3: 24 bits.
    Bits24 = 0xff_ffff,
}

impl Width {
    /// The bits of a number; the greatest number.
    #[inline]
    pub const fn mask(self) -> u32 {
        self as u32
    }

    /// Numbers from Nr on that a receiver accepts: half of the greatest number, rounded down.
    #[inline]
    pub const fn window(self) -> u32 {
        self.mask() >> 1
    }

    /// How far `a` is ahead of `b`, modulo the width.
    #[inline]
    pub const fn sub(self, a: u32, b: u32) -> u32 {
        a.wrapping_sub(b) & self.mask()
    }

    /// The number that follows `n`.
    #[inline]
    pub const fn next(self, n: u32) -> u32 {
        n.wrapping_add(1) & self.mask()
    }
}
