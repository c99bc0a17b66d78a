// SPDX-License-Identifier: GPL-2.0

//! What `wire` is compared with, shared by its tests and fuzz targets.
//!
//! [`header`] walks through headers byte by byte. [`receiver`] follows the rules for sequenced data word
//! by word. [`bench`] drives the real receiver as the kernel does and writes down the same [`Event`]s.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod bench;
pub mod header;
pub mod receiver;

pub use bench::Bench;
pub use receiver::{Model, Order};

/// Something that happens to a frame, which the test knows by its number of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was put in front of a frame that came before it.
    OutOfOrder(usize),
    /// The next frame's number was taken as the new beginning.
    Resynchronised,
    /// It was handed up.
    Delivered(usize),
    /// Its number was not in the window.
    OutsideWindow(usize),
    /// It was not the expected one, without reordering.
    OutOfSequence(usize),
    /// There was no room for it.
    QueueFull(usize),
    /// It waited too long.
    Expired(usize),
}

/// The time that a frame may wait if no reorder timeout is configured.
pub const DEFAULT_TIMEOUT: u64 = 1000;
