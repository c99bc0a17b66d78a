// SPDX-License-Identifier: GPL-2.0

//! A session's cookie, sublayer and header, and any bytes received for it.
//!
//! Input: one byte that sets up the session (bits 0 to 3: length of the cookie, 4: default sublayer, 5: over
//! IP, 6: send sequence numbers), the cookie, the peer's session id, Ns, and what is received.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::udp::{classify, Frame};
use wire::v3::{self, DefaultSublayer, L2Spec};
use wire::{Cookie, HeaderTemplate};

fuzz_target!(|input: &[u8]| {
    let _ = check(input);
});

fn check(input: &[u8]) -> Option<()> {
    let (&setup, rest) = input.split_first()?;
    let (value, rest) = rest.split_at_checked(usize::from(setup & 0x0f))?;
    let (id, rest) = rest.split_first_chunk::<4>()?;
    let (ns, received) = rest.split_first_chunk::<4>()?;
    let l2 = L2Spec::try_from(setup >> 4 & 1).unwrap();
    let over_ip = setup & 0x20 != 0;
    let session_id = u32::from_be_bytes(*id);
    let ns = (setup & 0x40 != 0).then_some(u32::from_be_bytes(*ns));

    let Some(cookie) = Cookie::new(value) else {
        assert!(value.len() > 8);
        return None;
    };
    assert_eq!(cookie.as_bytes(), value);
    assert_eq!(cookie.matches(received), received.starts_with(value));
    receive(received);

    let template = if over_ip {
        HeaderTemplate::v3_ip(session_id, &cookie, l2)
    } else {
        HeaderTemplate::v3_udp(session_id, &cookie, l2)
    };
    let mut frame = vec![0xee; template.len(ns.is_some())];
    template.write(&mut frame, ns);
    frame.extend_from_slice(received);

    let body = if over_ip {
        let (id, body) = frame.split_first_chunk()?;
        assert_eq!(v3::ip_session_id(id), session_id);
        body
    } else {
        if let Some(first) = frame.first_chunk() {
            let Frame::V3(header) = classify(first) else {
                panic!("not version 3");
            };
            assert_eq!((header.session_id, header.version), (session_id, 3));
        }
        &frame[v3::UDP_HEADER_LEN..]
    };
    assert!(cookie.matches(body));
    let body = &body[cookie.len()..];
    assert_eq!(body.len(), l2.len() + received.len());
    if l2 == L2Spec::Default {
        let parsed = DefaultSublayer::parse(body.first_chunk()?);
        assert_eq!(parsed.ns, ns.map(|ns| ns & 0xff_ffff));
    }
    Some(())
}

/// Everything that looks at received bytes.
fn receive(received: &[u8]) {
    if let Some(first) = received.first_chunk() {
        let _ = classify(first);
    }
    if let Some(header) = received.first_chunk() {
        let expected = received[0] >= 0xc0;
        assert_eq!(v3::control_connection_id(header).is_some(), expected);
    }
    if let Some(word) = received.first_chunk() {
        let sublayer = DefaultSublayer::parse(word);
        assert_eq!(sublayer.ns.is_some(), received[0] & 0x40 != 0);
        assert!(sublayer.ns.unwrap_or(0) <= 0xff_ffff);
    }
}
