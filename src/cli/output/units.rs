//! Times, durations and numbers in words for people.

use std::fmt::Write as _;
use std::time::Duration;

use sessiond_client::Timestamp;

use crate::clock::{Clock, Millis};

pub(crate) fn now() -> Timestamp {
    timestamp(Clock::system().now())
}

pub(crate) fn timestamp(moment: Millis) -> Timestamp {
    let seconds = i64::try_from(moment / 1000).unwrap_or(i64::MAX);
    let nanos = i32::try_from(moment % 1000 * 1_000_000).unwrap_or_default();
    Timestamp { seconds, nanos }
}

/// A moment and how far away it is: `2026-01-31T12:00:00.000Z (in 23h 59m)`.
pub(crate) fn moment(time: Timestamp, now: Timestamp) -> String {
    let away = time.seconds.saturating_sub(now.seconds);
    let distance = match away {
        0 => "now".to_owned(),
        1.. => format!("in {}", rough(away.unsigned_abs())),
        ..0 => format!("{} ago", rough(away.unsigned_abs())),
    };
    format!("{time} ({distance})")
}

/// A length of time in its two largest units.
pub(crate) fn rough(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut text = String::new();
    let mut rest = seconds;
    let units = UNITS.iter().skip_while(|(length, _)| *length > seconds).take(2);
    for (length, unit) in units.filter(|(length, _)| seconds >= *length) {
        if rest >= *length {
            let gap = if text.is_empty() { "" } else { " " };
            // Writing to a String does not fail.
            let _ = write!(text, "{gap}{}{unit}", rest / length);
            rest %= length;
        }
    }
    text
}

/// A length of time in all its units, to the millisecond: `1d`, `1h 30m`, `1s 200ms`.
pub(crate) fn length(length: Duration) -> String {
    const UNITS: [(u128, &str); 5] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let mut rest = length.as_millis();
    let mut parts = Vec::new();
    for (unit, name) in UNITS {
        if rest >= unit {
            parts.push(format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// How long ago a moment was: `2m 5s ago`.
pub(crate) fn ago(time: Timestamp, now: Timestamp) -> String {
    match now.seconds.saturating_sub(time.seconds) {
        seconds @ 1.. => format!("{} ago", rough(seconds.unsigned_abs())),
        _ => "now".to_owned(),
    }
}

/// A number with its thousands apart: `12,345`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many of something there are: `1 session`, `12,345 sessions`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// Text of at most so many characters; a longer one ends in an ellipsis.
pub(crate) fn cut(mut text: String, longest: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(longest) {
        let last = text[..end].char_indices().next_back().map_or(0, |(start, _)| start);
        text.truncate(last);
        text.push('\u{2026}');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 0 }
    }

    #[test]
    fn lengths_of_time_are_rough() {
        for (seconds, text) in [
            (1, "1s"),
            (59, "59s"),
            (60, "1m"),
            (61, "1m 1s"),
            (3_600, "1h"),
            (3_601, "1h"),
            (86_399, "23h 59m"),
            (86_400, "1d"),
            (90_000, "1d 1h"),
            (8_640_000, "100d"),
        ] {
            assert_eq!(rough(seconds), text);
        }
    }

    #[test]
    fn lengths_of_time_are_exact() {
        for (millis, text) in
            [(0, "0s"), (1_200, "1s 200ms"), (5_400_000, "1h 30m"), (86_400_000, "1d"), (1_209_600_000, "14d")]
        {
            assert_eq!(length(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn moments_say_how_far_away_they_are() {
        assert_eq!(moment(at(86_399), at(0)), "1970-01-01T23:59:59Z (in 23h 59m)");
        assert_eq!(moment(at(0), at(90)), "1970-01-01T00:00:00Z (1m 30s ago)");
        assert_eq!(moment(at(5), at(5)), "1970-01-01T00:00:05Z (now)");
    }

    #[test]
    fn long_numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn what_is_counted_is_singular_or_plural() {
        let texts = [0, 1, 2_000].map(|number| counted(number, "session"));
        assert_eq!(texts, ["0 sessions", "1 session", "2,000 sessions"]);
    }

    #[test]
    fn long_texts_are_cut_by_characters() {
        assert_eq!(cut("\u{e9}\u{e9}\u{e9}".to_owned(), 3), "\u{e9}\u{e9}\u{e9}");
        assert_eq!(cut("\u{e9}\u{e9}\u{e9}\u{e9}".to_owned(), 3), "\u{e9}\u{e9}\u{2026}");
    }
}
