// SPDX-License-Identifier: GPL-2.0

//! Cookies of every length.

use proptest::prelude::*;
use wire::{cookie, Cookie};

const BYTES: [u8; 9] = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99];

#[test]
fn lengths() {
    for len in 0..=cookie::MAX_LEN {
        let cookie = Cookie::new(&BYTES[..len]).unwrap();
        assert_eq!(cookie.len(), len);
        assert_eq!(cookie.is_empty(), len == 0);
        assert_eq!(cookie.as_bytes(), &BYTES[..len]);
    }
    assert_eq!(Cookie::new(&BYTES), None);
    assert_eq!(Cookie::new(&[]), Some(Cookie::NONE));
    assert_eq!(Cookie::default(), Cookie::NONE);
}

#[test]
fn none_matches_anything() {
    for len in 0..BYTES.len() {
        assert!(Cookie::NONE.matches(&BYTES[..len]));
    }
}

/// Every cookie length against every length received, right, and wrong in one bit at each place.
#[test]
fn every_bit_counts_and_no_other() {
    let received = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa];
    for len in 0..=cookie::MAX_LEN {
        let cookie = Cookie::new(&BYTES[..len]).unwrap();
        for end in 0..=received.len() {
            assert_eq!(cookie.matches(&received[..end]), end >= len, "{len} {end}");
            for bit in 0..8 * end {
                let mut wrong = received;
                wrong[bit / 8] ^= 1 << (bit % 8);
                let expected = end >= len && bit >= 8 * len;
                assert_eq!(cookie.matches(&wrong[..end]), expected, "{len} {end} {bit}");
            }
        }
    }
}

/// The same error twice must not cancel itself.
#[test]
fn errors_do_not_cancel() {
    for len in 2..=cookie::MAX_LEN {
        let cookie = Cookie::new(&BYTES[..len]).unwrap();
        for end in len..=BYTES.len() {
            for (first, second) in (0..len).flat_map(|i| (0..i).map(move |j| (i, j))) {
                let mut wrong = BYTES;
                wrong[first] ^= 0x40;
                wrong[second] ^= 0x40;
                assert!(
                    !cookie.matches(&wrong[..end]),
                    "{len} {end} {first} {second}"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn same_as_comparing_slices(
        value in proptest::collection::vec(any::<u8>(), 0..12),
        received in proptest::collection::vec(any::<u8>(), 0..24),
        genuine: bool,
    ) {
        let Some(cookie) = Cookie::new(&value) else {
            prop_assert!(value.len() > cookie::MAX_LEN);
            return Ok(());
        };
        let received = if genuine { [value.clone(), received].concat() } else { received };
        prop_assert_eq!(cookie.matches(&received), received.starts_with(&value));
    }
}
