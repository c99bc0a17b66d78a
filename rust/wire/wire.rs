// SPDX-License-Identifier: GPL-2.0

//! L2TP on the wire: headers, cookies, sequence numbers and the receiver that puts frames in order.
//!
//! Layer Two Tunneling Protocol version 2 ([RFC 2661]) over UDP, and version 3 ([RFC 3931]) over UDP
//! and directly over IP; data messages only. Control messages are recognised and left to user space.
//!
//! Nothing in here knows of a kernel, of memory allocation or of sockets: the crate is pure `core`,
//! so that the very files that run in the kernel are tested and fuzzed on a host
//! (`tools/testing/wire`, `tools/testing/fuzz`). No input can make it panic.
//!
//! The modules, in the order in which a received frame meets them:
//!
//! - [`udp`]: the first look at a UDP payload: control, version 2 or version 3;
//! - [`v2`] and [`v3`]: the data headers;
//! - [`cookie`]: the check that a version 3 frame carries what was agreed for its session;
//! - [`sequence`]: arithmetic on Ns and Nr;
//! - [`reorder`]: which frames are accepted, held back, released;
//! - [`template`]: headers for transmission, built once and written many times.
//!
//! All integers on the wire are big endian; all integers in this interface are plain numbers.
//!
//! [RFC 2661]: https://www.rfc-editor.org/rfc/rfc2661
//! [RFC 3931]: https://www.rfc-editor.org/rfc/rfc3931

// The kernel's build says so itself.
#![cfg_attr(not(MODULE), no_std)]
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

pub mod cookie;
pub mod flags;
pub mod reorder;
pub mod sequence;
pub mod template;
pub mod udp;
pub mod v2;
pub mod v3;

pub use cookie::Cookie;
pub use reorder::{Admission, Pending, Queue, Receiver, Release};
pub use sequence::Width;
pub use template::HeaderTemplate;

/// Bytes that a UDP payload must have to be looked at as a data message.
///
/// A version 2 header with every optional field except the offset pad is this long (RFC 2661 section
/// 3.1). Whatever is shorter belongs to user space, even if it is a complete data message.
pub const MIN_UDP_FRAME: usize = 14;
