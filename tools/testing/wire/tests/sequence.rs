// SPDX-License-Identifier: GPL-2.0

//! Arithmetic on sequence numbers, compared with plain arithmetic on whole numbers.

use proptest::prelude::*;
use wire::Width;

const WIDTHS: [(Width, i64); 2] = [(Width::Bits16, 0x1_0000), (Width::Bits24, 0x100_0000)];

#[test]
fn constants() {
    assert_eq!(Width::Bits16.mask(), 0xffff);
    assert_eq!(Width::Bits16.window(), 32767);
    assert_eq!(Width::Bits24.mask(), 0xff_ffff);
    assert_eq!(Width::Bits24.window(), 8_388_607);
}

#[test]
fn next_wraps() {
    for (width, range) in WIDTHS {
        assert_eq!(width.next(0), 1);
        assert_eq!(i64::from(width.next(width.mask() - 1)), range - 1);
        assert_eq!(width.next(width.mask()), 0);
    }
}

/// Visits every number of both widths.
#[test]
fn next_and_sub_agree() {
    for (width, _) in WIDTHS {
        for n in 0..=width.mask() {
            assert_eq!(width.sub(width.next(n), n), 1);
            assert_eq!(width.sub(n, width.next(n)), width.mask());
        }
    }
}

proptest! {
    #[test]
    fn sub_is_modular(a: u32, b: u32) {
        for (width, range) in WIDTHS {
            let expected = (i64::from(a) - i64::from(b)).rem_euclid(range);
            prop_assert_eq!(i64::from(width.sub(a, b)), expected);
        }
    }

    #[test]
    fn sub_undoes_addition(a: u32, distance: u32) {
        for (width, _) in WIDTHS {
            let distance = distance & width.mask();
            let ahead = a.wrapping_add(distance) & width.mask();
            prop_assert_eq!(width.sub(ahead, a), distance);
        }
    }
}
