// SPDX-License-Identifier: GPL-2.0

//! Received headers: RFC 2661 section 3.1, RFC 3931 sections 3.2.1, 4.1 and 4.6.

use model::header;
use proptest::prelude::*;
use wire::udp::{classify, Frame};
use wire::v2::DataHeader;
use wire::v3::{self, DefaultSublayer, L2Spec, SessionHeader};
use wire::{flags, MIN_UDP_FRAME};

/// Flags, then bytes that are all different.
fn payload(flags: u16) -> [u8; MIN_UDP_FRAME] {
    let [high, low] = flags.to_be_bytes();
    [
        high, low, 0x21, 0x32, 0x43, 0x54, 0x65, 0x76, 0x87, 0x98, 0xa9, 0xba, 0xcb, 0xdc,
    ]
}

fn check_v2(bytes: &[u8; MIN_UDP_FRAME]) -> Result<(), TestCaseError> {
    let header = DataHeader::parse(bytes);
    let expected = header::v2(bytes);
    let found = header::V2 {
        length: header.length,
        tunnel_id: header.tunnel_id,
        session_id: header.session_id,
        ns: header.ns,
        nr: header.nr,
        fixed_len: header.fixed_len(),
        offset: header.offset,
    };
    prop_assert_eq!(found, expected);

    let pad = expected.offset.map_or(0, |pad| 2 + usize::from(pad));
    prop_assert_eq!(header.header_len(), expected.fixed_len + pad);
    prop_assert_eq!(header.priority, bytes[0] & 1 == 1);
    Ok(())
}

#[test]
fn every_flag_word() {
    for word in 0..=u16::MAX {
        let bytes = payload(word);
        let frame = classify(&bytes);
        if word & 0x8000 != 0 {
            assert_eq!(frame, Frame::Control, "{word:04x}");
        } else if word & 0x000f == 2 {
            assert_eq!(frame, Frame::V2(DataHeader::parse(&bytes)), "{word:04x}");
            check_v2(&bytes).unwrap();
        } else {
            let header = SessionHeader {
                session_id: 0x4354_6576,
                version: (word & 0x000f) as u8,
            };
            assert_eq!(frame, Frame::V3(header), "{word:04x}");
        }
    }
}

#[test]
fn v2_ignores_reserved_bits() {
    const RESERVED: u16 = 0x3000 | 0x0400 | 0x00f0;
    for word in (0..=u16::MAX).filter(|word| word & 0x000f == 2) {
        let plain = DataHeader::parse(&payload(word & !RESERVED));
        assert_eq!(DataHeader::parse(&payload(word)), plain, "{word:04x}");
    }
}

#[test]
fn v2_minimal() {
    let header = DataHeader::parse(b"\x00\x02\x12\x34\x56\x78\xff\x03\xc0\x21\x01\x02\x03\x04");
    assert_eq!(
        header,
        DataHeader {
            tunnel_id: 0x1234,
            session_id: 0x5678,
            length: None,
            ns: None,
            nr: None,
            offset: None,
            priority: false,
        }
    );
    assert_eq!((header.fixed_len(), header.header_len()), (6, 6));
}

#[test]
fn v2_everything() {
    let header = DataHeader::parse(b"\x4b\x02\x00\x20\x12\x34\x56\x78\x00\x07\x00\x09\x00\x03");
    assert_eq!(
        header,
        DataHeader {
            tunnel_id: 0x1234,
            session_id: 0x5678,
            length: Some(32),
            ns: Some(7),
            nr: Some(9),
            offset: Some(3),
            priority: true,
        }
    );
    assert_eq!((header.fixed_len(), header.header_len()), (12, 17));
}

#[test]
fn v2_longest_pad() {
    let header = DataHeader::parse(b"\x4a\x02\0\0\0\0\0\0\0\0\0\0\xff\xff");
    assert_eq!(header.header_len(), 12 + 2 + 65535);
}

#[test]
fn v3_over_udp() {
    let header = SessionHeader::parse(b"\x00\x03\x00\x00\x12\x34\x56\x78");
    assert_eq!((header.session_id, header.version), (0x1234_5678, 3));

    // Reserved bits, the second half of the flags and even T do not matter here.
    let noisy = SessionHeader::parse(b"\xff\xf3\xff\xff\x12\x34\x56\x78");
    assert_eq!(noisy, header);
}

#[test]
fn v3_over_ip() {
    assert_eq!(v3::ip_session_id(b"\x12\x34\x56\x78"), 0x1234_5678);
    assert_eq!(v3::ip_session_id(&[0; 4]), 0);
}

#[test]
fn v3_control_over_ip() {
    for first in 0..=u8::MAX {
        let mut header = *b"\x00\x03\x00\x0c\x12\x34\x56\x78\x00\x01\x00\x02";
        header[0] = first;
        let expected = (first >= 0xc0).then_some(0x1234_5678);
        assert_eq!(v3::control_connection_id(&header), expected, "{first:02x}");
    }
}

#[test]
fn l2_specific_sublayer_kinds() {
    assert_eq!(L2Spec::try_from(0), Ok(L2Spec::None));
    assert_eq!(L2Spec::try_from(1), Ok(L2Spec::Default));
    for unknown in 2..=u8::MAX {
        assert_eq!(L2Spec::try_from(unknown), Err(unknown));
    }
    assert_eq!((L2Spec::None as u8, L2Spec::None.len()), (0, 0));
    assert_eq!((L2Spec::Default as u8, L2Spec::Default.len()), (1, 4));
}

#[test]
fn default_sublayer() {
    let parse = |word: u32| DefaultSublayer::parse(&word.to_be_bytes()).ns;
    assert_eq!(parse(0), None);
    assert_eq!(parse(0x4000_0000), Some(0));
    assert_eq!(parse(0x4012_3456), Some(0x12_3456));
    assert_eq!(parse(0xffff_ffff), Some(0xff_ffff));
    // All bits but S.
    assert_eq!(parse(0xbfff_ffff), None);

    let build = |ns| u32::from_be_bytes(DefaultSublayer { ns }.to_bytes());
    assert_eq!(build(None), 0);
    assert_eq!(build(Some(0)), 0x4000_0000);
    assert_eq!(build(Some(0x12_3456)), 0x4012_3456);
    assert_eq!(build(Some(u32::MAX)), 0x40ff_ffff);
}

#[test]
fn flag_bits_are_those_of_the_rfc() {
    let bit = |number: u32| 0x8000_u16 >> number;
    assert_eq!(flags::TYPE, bit(0));
    assert_eq!(flags::LENGTH, bit(1));
    assert_eq!(flags::SEQUENCE, bit(4));
    assert_eq!(flags::OFFSET, bit(6));
    assert_eq!(flags::PRIORITY, bit(7));
    assert_eq!(flags::VERSION, bit(12) | bit(13) | bit(14) | bit(15));
}

proptest! {
    #[test]
    fn v2_any_bytes(bytes: [u8; MIN_UDP_FRAME]) {
        check_v2(&bytes)?;
    }

    #[test]
    fn sublayer_round_trip(ns in proptest::option::of(0_u32..0x100_0000), reserved: u32) {
        let word = u32::from_be_bytes(DefaultSublayer { ns }.to_bytes());
        let noisy = word | (reserved & 0xbf00_0000);
        prop_assert_eq!(DefaultSublayer::parse(&noisy.to_be_bytes()).ns, ns);
    }
}
