//! Amounts of memory and storage.

/// Bytes in `"2G"`, `"512M"`, `"1024K"` or a bare number of bytes; 1G is 1024M.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let text = text.strip_suffix(['b', 'B']).unwrap_or(text);
    let text = text.strip_suffix(['i', 'I']).unwrap_or(text);
    let (number, power) = match text.char_indices().next_back()? {
        (at, 'k' | 'K') => (&text[..at], 1),
        (at, 'm' | 'M') => (&text[..at], 2),
        (at, 'g' | 'G') => (&text[..at], 3),
        (at, 't' | 'T') => (&text[..at], 4),
        _ => (text, 0),
    };
    let unit = 1_u64 << (10 * power);
    if let Ok(whole) = number.trim().parse::<u64>() {
        return whole.checked_mul(unit);
    }
    let fraction: f64 = number.trim().parse().ok()?;
    fraction_of(fraction, unit)
}

/// `1.5` of a unit, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "checked to be a positive number below 2^63; sizes need no more than 52 bits"
)]
fn fraction_of(fraction: f64, unit: u64) -> Option<u64> {
    let size = fraction * unit as f64;
    (size.is_finite() && (1.0..9e18).contains(&size)).then_some(size as u64)
}

/// Bytes in so many megabytes.
pub(crate) fn megabytes(number: u64) -> Option<u64> {
    number.checked_mul(1 << 20)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn suffixes_are_powers_of_1024() {
        assert_eq!(bytes("2G"), Some(2 << 30));
        assert_eq!(bytes("512m"), Some(512 << 20));
        assert_eq!(bytes("64KiB"), Some(64 << 10));
        assert_eq!(bytes("1.5G"), Some(3 << 29));
        assert_eq!(bytes("4096"), Some(4096));
        for nonsense in ["", "G", "two", "-1G", "1e99G", "99999999999T", "1GG", "NaN"] {
            assert_eq!(bytes(nonsense), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_size_or_none(text in ".{0,8}") {
            let _ = bytes(&text);
        }

        #[test]
        fn whole_megabytes_are_exact(number in 0_u64..1 << 40) {
            prop_assert_eq!(bytes(&format!("{number}M")), megabytes(number));
        }
    }
}
