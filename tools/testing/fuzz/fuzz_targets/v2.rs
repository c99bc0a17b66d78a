// SPDX-License-Identifier: GPL-2.0

//! The first look at a UDP payload, and the version 2 header, which describes itself.
//!
//! Input: a UDP payload.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::udp::{classify, Frame};
use wire::v2::DataHeader;
use wire::HeaderTemplate;

fuzz_target!(|payload: &[u8]| {
    let Some(first) = payload.first_chunk() else {
        return;
    };
    let header = match classify(first) {
        Frame::Control => {
            assert!(payload[0] & 0x80 != 0);
            return;
        }
        Frame::V2(header) => {
            assert_eq!((payload[0] & 0x80, payload[1] & 0x0f), (0, 2));
            header
        }
        Frame::V3(header) => {
            assert_eq!(header.version, payload[1] & 0x0f);
            assert_ne!(header.version, 2);
            return;
        }
    };

    let expected = model::header::v2(payload);
    assert_eq!(header.length, expected.length);
    assert_eq!(header.tunnel_id, expected.tunnel_id);
    assert_eq!(header.session_id, expected.session_id);
    assert_eq!(header.ns, expected.ns);
    assert_eq!(header.nr, expected.nr);
    assert_eq!(header.fixed_len(), expected.fixed_len);
    assert_eq!(header.offset, expected.offset);
    let pad = expected.offset.map_or(0, |pad| 2 + usize::from(pad));
    assert_eq!(header.header_len(), expected.fixed_len + pad);

    // What we would send for the same session says the same.
    let ns = header.ns.map(u32::from);
    let template = HeaderTemplate::v2(header.tunnel_id, header.session_id);
    let mut sent = [0; 14];
    let len = template.len(ns.is_some());
    template.write(&mut sent[..len], ns);
    let returned = DataHeader::parse(&sent);
    assert_eq!(returned.header_len(), len);
    assert_eq!(
        (returned.tunnel_id, returned.session_id, returned.ns),
        (header.tunnel_id, header.session_id, header.ns)
    );
});
