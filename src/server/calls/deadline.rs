//! How long a caller waits for its answer: the header `grpc-timeout` of gRPC over HTTP/2.

use std::time::Duration;
use tonic::codegen::http::HeaderMap;

const HEADER: &str = "grpc-timeout";

/// Digits of the number, at most.
const MAX_DIGITS: usize = 8;

/// The time that a request may take; `None` if the header is missing or malformed. The caller keeps its deadline, too.
pub(in crate::server) fn of(headers: &HeaderMap) -> Option<Duration> {
    let (unit, digits) = headers.get(HEADER)?.as_bytes().split_last()?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(number * 60 * 60)),
        b'M' => Some(Duration::from_secs(number * 60)),
        b'S' => Some(Duration::from_secs(number)),
        b'm' => Some(Duration::from_millis(number)),
        b'u' => Some(Duration::from_micros(number)),
        b'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::codegen::http::HeaderValue;

    fn read(value: &'static [u8]) -> Option<Duration> {
        of(&HeaderMap::from_iter([(HEADER.parse().unwrap(), HeaderValue::from_bytes(value).unwrap())]))
    }

    #[test]
    fn every_unit_is_known() {
        let wanted = [
            ("99999999H", Duration::from_secs(99_999_999 * 3_600)),
            ("2M", Duration::from_secs(120)),
            ("3S", Duration::from_secs(3)),
            ("4m", Duration::from_millis(4)),
            ("5u", Duration::from_micros(5)),
            ("6n", Duration::from_nanos(6)),
        ];
        for (value, timeout) in wanted {
            assert_eq!(read(value.as_bytes()), Some(timeout), "{value}");
        }
    }

    #[test]
    fn what_is_no_timeout_is_none() {
        for value in [&b""[..], b"S", b"5", b"-1S", b"+1S", b"1.5S", b"123456789S", b"1s", b"1 S", b"\xffS"] {
            assert_eq!(read(value), None, "{value:?}");
        }
        assert_eq!(of(&HeaderMap::new()), None);
    }
}
