// SPDX-License-Identifier: GPL-2.0

//! Headers for transmission: exact bytes, and what the receiving side makes of them.

use proptest::prelude::*;
use wire::udp::{classify, Frame};
use wire::v3::{self, DefaultSublayer, L2Spec};
use wire::{template, Cookie, HeaderTemplate, Width, MIN_UDP_FRAME};

/// Writes a header over bytes that would be noticed if they were left.
fn written(template: &HeaderTemplate, ns: Option<u32>) -> Vec<u8> {
    let mut out = vec![0xee; template.len(ns.is_some())];
    template.write(&mut out, ns);
    out
}

fn cookie(bytes: &[u8]) -> Cookie {
    Cookie::new(bytes).unwrap()
}

#[test]
fn v2() {
    let template = HeaderTemplate::v2(0x1234, 0x5678);
    assert!(template.carries_sequence());
    assert_eq!(template.width(), Width::Bits16);
    assert_eq!(written(&template, None), b"\x00\x02\x12\x34\x56\x78");
    assert_eq!(
        written(&template, Some(0x9abc)),
        b"\x08\x02\x12\x34\x56\x78\x9a\xbc\x00\x00"
    );
    assert_eq!(
        written(&template, Some(0xffff_0001)),
        b"\x08\x02\x12\x34\x56\x78\x00\x01\x00\x00"
    );
}

#[test]
fn v2_with_another_tunnel_id() {
    for ns in [None, Some(0x9abc)] {
        let mut header = written(&HeaderTemplate::v2(0, 0x5678), ns);
        wire::v2::set_tunnel_id(&mut header, 0x1234);
        assert_eq!(header, written(&HeaderTemplate::v2(0x1234, 0x5678), ns));
    }
    wire::v2::set_tunnel_id(&mut [0; 5], 1);
}

#[test]
fn v3_over_udp() {
    let id = 0x1234_5678;

    let plain = HeaderTemplate::v3_udp(id, &Cookie::NONE, L2Spec::None);
    assert!(!plain.carries_sequence());
    let header = b"\x00\x03\x00\x00\x12\x34\x56\x78";
    assert_eq!(written(&plain, None), header);
    assert_eq!(written(&plain, Some(7)), header);

    let full = HeaderTemplate::v3_udp(id, &cookie(b"abcdefgh"), L2Spec::Default);
    assert!(full.carries_sequence());
    assert_eq!(full.width(), Width::Bits24);
    assert_eq!(full.len(false), template::MAX_LEN);
    assert_eq!(
        written(&full, None),
        b"\x00\x03\x00\x00\x12\x34\x56\x78abcdefgh\x00\x00\x00\x00"
    );
    assert_eq!(
        written(&full, Some(0xff12_3456)),
        b"\x00\x03\x00\x00\x12\x34\x56\x78abcdefgh\x40\x12\x34\x56"
    );
}

#[test]
fn v3_over_ip() {
    let id = 0x1234_5678;

    let plain = HeaderTemplate::v3_ip(id, &Cookie::NONE, L2Spec::None);
    assert_eq!(written(&plain, None), b"\x12\x34\x56\x78");

    let odd = HeaderTemplate::v3_ip(id, &cookie(b"abc"), L2Spec::None);
    assert_eq!(written(&odd, None), b"\x12\x34\x56\x78abc");

    let default = HeaderTemplate::v3_ip(id, &cookie(b"abcd"), L2Spec::Default);
    assert_eq!(written(&default, None), b"\x12\x34\x56\x78abcd\0\0\0\0");
    assert_eq!(
        written(&default, Some(5)),
        b"\x12\x34\x56\x78abcd\x40\0\0\x05"
    );
}

/// Every layout and cookie length, put together from its parts.
#[test]
fn v3_every_layout() {
    let id = 0xdead_beef_u32;
    for len in 0..=8 {
        let cookie = cookie(&b"\x91\x82\x73\x64\x55\x46\x37\x28"[..len]);
        for l2 in [L2Spec::None, L2Spec::Default] {
            for ns in [None, Some(0), Some(0x00ab_cdef)] {
                let sublayer = match (l2, ns) {
                    (L2Spec::None, _) => vec![],
                    (L2Spec::Default, None) => vec![0; 4],
                    (L2Spec::Default, Some(ns)) => u32::to_be_bytes(0x4000_0000 | ns).to_vec(),
                };
                let ip = [&id.to_be_bytes(), cookie.as_bytes(), &sublayer].concat();
                let udp = [b"\x00\x03\x00\x00", &ip[..]].concat();

                let template = HeaderTemplate::v3_ip(id, &cookie, l2);
                assert_eq!(written(&template, ns), ip, "{len} {l2:?} {ns:?}");
                assert_eq!(template.cookie(4), cookie);
                let template = HeaderTemplate::v3_udp(id, &cookie, l2);
                assert_eq!(written(&template, ns), udp, "{len} {l2:?} {ns:?}");
                assert_eq!(template.cookie(8), cookie);
            }
        }
    }
}

/// A caller's mistake must not be more than that.
#[test]
fn wrong_length_does_not_panic() {
    let cookie = cookie(b"abcdefgh");
    for template in [
        HeaderTemplate::v2(1, 2),
        HeaderTemplate::v3_ip(1, &Cookie::NONE, L2Spec::None),
        HeaderTemplate::v3_udp(1, &cookie, L2Spec::Default),
    ] {
        for len in 0..32 {
            template.write(&mut vec![0; len], None);
            template.write(&mut vec![0; len], Some(1));
        }
    }
}

/// The header with zero payload up to the length that is looked at.
fn first_bytes(header: &[u8]) -> [u8; MIN_UDP_FRAME] {
    let mut first = [0; MIN_UDP_FRAME];
    let len = header.len().min(MIN_UDP_FRAME);
    first[..len].copy_from_slice(&header[..len]);
    first
}

proptest! {
    #[test]
    fn v2_round_trip(tunnel_id: u16, session_id: u16, ns: Option<u32>) {
        let header = written(&HeaderTemplate::v2(tunnel_id, session_id), ns);
        let Frame::V2(parsed) = classify(&first_bytes(&header)) else {
            return Err(TestCaseError::fail("not version 2"));
        };
        prop_assert_eq!(parsed.tunnel_id, tunnel_id);
        prop_assert_eq!(parsed.session_id, session_id);
        prop_assert_eq!(parsed.ns, ns.map(|ns| ns as u16));
        prop_assert_eq!(parsed.nr, ns.map(|_| 0));
        prop_assert_eq!(parsed.header_len(), header.len());
        prop_assert_eq!((parsed.length, parsed.offset, parsed.priority), (None, None, false));
    }

    #[test]
    fn v3_round_trip(
        session_id: u32,
        bytes in proptest::collection::vec(any::<u8>(), 0..=8),
        sublayer: bool,
        over_ip: bool,
        ns: Option<u32>,
    ) {
        let cookie = cookie(&bytes);
        let l2 = if sublayer { L2Spec::Default } else { L2Spec::None };
        let rest = if over_ip {
            let header = written(&HeaderTemplate::v3_ip(session_id, &cookie, l2), ns);
            prop_assert_eq!(v3::ip_session_id(header.first_chunk().unwrap()), session_id);
            header[v3::IP_HEADER_LEN..].to_vec()
        } else {
            let header = written(&HeaderTemplate::v3_udp(session_id, &cookie, l2), ns);
            let Frame::V3(parsed) = classify(&first_bytes(&header)) else {
                return Err(TestCaseError::fail("not version 3"));
            };
            prop_assert_eq!((parsed.session_id, parsed.version), (session_id, 3));
            header[v3::UDP_HEADER_LEN..].to_vec()
        };

        prop_assert_eq!(rest.len(), cookie.len() + l2.len());
        prop_assert!(cookie.matches(&rest));
        if sublayer {
            let parsed = DefaultSublayer::parse(rest.last_chunk().unwrap());
            prop_assert_eq!(parsed.ns, ns.map(|ns| ns & 0xff_ffff));
        }
    }
}
