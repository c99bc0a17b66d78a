// SPDX-License-Identifier: GPL-2.0

//! Names of tunnels, sessions and interfaces: strings in fixed space.

use core::fmt::Write;
use kernel::fmt;

/// A string of less than `N` bytes, padded with NUL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name<const N: usize>([u8; N]);

/// Name of a network interface.
pub type IfName = Name<16>;

impl<const N: usize> Name<N> {
    /// The empty name.
    pub const EMPTY: Self = Self([0; N]);

    /// The name `text`; `None` if it is too long or contains NUL.
    pub fn new(text: &[u8]) -> Option<Self> {
        if text.contains(&0) {
            return None;
        }
        let mut name = Self::EMPTY;
        name.0
            .get_mut(..N.checked_sub(1)?)?
            .get_mut(..text.len())?
            .copy_from_slice(text);
        Some(name)
    }

    /// Formats a name, cut off if it is too long.
    pub fn format(args: fmt::Arguments<'_>) -> Self {
        struct Cut<const N: usize>(Name<N>, usize);
        impl<const N: usize> Write for Cut<N> {
            fn write_str(&mut self, s: &str) -> core::fmt::Result {
                for byte in s.bytes() {
                    if self.1.saturating_add(1) < N {
                        if let Some(place) = self.0 .0.get_mut(self.1) {
                            *place = byte;
                            self.1 = self.1.saturating_add(1);
                        }
                    }
                }
                Ok(())
            }
        }
        let mut cut = Cut(Self::EMPTY, 0);
        // Writing to it cannot fail.
        let _ = cut.write_fmt(args);
        cut.0
    }

    /// The bytes of the name, without padding.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|&byte| byte == 0).next().unwrap_or(&[])
    }

    /// All bytes.
    pub fn padded(&self) -> &[u8; N] {
        &self.0
    }

    /// Whether it is the empty name.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

impl<const N: usize> fmt::Display for Name<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.as_bytes() {
            f.write_char(char::from(byte))?;
        }
        Ok(())
    }
}
