// SPDX-License-Identifier: GPL-2.0

//! The first sixteen bits of a message over UDP (RFC 2661 section 3.1, RFC 3931 section 4.1.2).
//!
//! Bits that have no name here are reserved: zero when sent, ignored when received.

/// T: this is a control message.
pub const TYPE: u16 = 0x8000;

/// L: the Length field is present (version 2).
pub const LENGTH: u16 = 0x4000;

/// S: the Ns and Nr fields are present (version 2).
pub const SEQUENCE: u16 = 0x0800;

/// O: the Offset Size field and the offset pad are present (version 2).
pub const OFFSET: u16 = 0x0200;

/// P: the message should be preferred in local queueing (version 2).
pub const PRIORITY: u16 = 0x0100;

/// Ver: the protocol version.
pub const VERSION: u16 = 0x000f;
