// SPDX-License-Identifier: GPL-2.0

//! Headers read one field after the other from a slice of any length, as the RFCs draw them.

/// What a walk through a data message header finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V2 {
    /// Length field.
    pub length: Option<u16>,
    /// Tunnel ID field.
    pub tunnel_id: u16,
    /// Session ID field.
    pub session_id: u16,
    /// Ns field.
    pub ns: Option<u16>,
    /// Nr field.
    pub nr: Option<u16>,
    /// Bytes before the Offset Size field.
    pub fixed_len: usize,
    /// Offset Size field.
    pub offset: Option<u16>,
}

/// Reads 16 bits and moves on.
fn take(bytes: &[u8], at: &mut usize) -> u16 {
    let value = u16::from(bytes[*at]) * 256 + u16::from(bytes[*at + 1]);
    *at += 2;
    value
}

/// Reads the header of a version 2 message.
///
/// # Panics
///
/// If the bytes end before the header does.
pub fn v2(bytes: &[u8]) -> V2 {
    let bit = |number: u32| bytes[number as usize / 8] >> (7 - number % 8) & 1 == 1;
    let mut at = 2;

    let length = bit(1).then(|| take(bytes, &mut at));
    let tunnel_id = take(bytes, &mut at);
    let session_id = take(bytes, &mut at);
    let ns = bit(4).then(|| take(bytes, &mut at));
    let nr = bit(4).then(|| take(bytes, &mut at));
    let fixed_len = at;
    let offset = bit(6).then(|| take(bytes, &mut at));
    V2 {
        length,
        tunnel_id,
        session_id,
        ns,
        nr,
        fixed_len,
        offset,
    }
}
