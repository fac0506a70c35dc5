//! Checks JSON of the command line before values are made of it: what no value can hold exactly is refused, instead of being
//! changed without a word.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

/// Reads JSON whose values can be kept exactly. `None` if the text is no JSON at all.
pub(crate) fn read(text: &str) -> Option<Result<Json, String>> {
    // Only the grammar is checked here: not the range of numbers, the depth, or halves of characters.
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    Some(numbers(text).try_for_each(judge_number).and_then(|()| parse(text)))
}

fn parse(text: &str) -> Result<Json, String> {
    let unfit = |error: serde_json::Error| {
        let error = error.to_string();
        if error.contains("recursion limit") {
            "lists and maps are nested too deep".to_owned()
        } else if error.contains("surrogate") || error.contains("hex escape") {
            "a text can't hold half of a surrogate pair; write both halves, or the bytes as {\"$bytes\":\"<base64>\"}"
                .to_owned()
        } else {
            error
        }
    };
    serde_json::from_str::<Unique>(text).map_err(unfit)?;
    serde_json::from_str(text).map_err(unfit)
}

/// A whole number must fit into an int64. A number with a fraction or an exponent must fit into a double; the nearest is taken.
fn judge_number(number: &str) -> Result<(), String> {
    let quoted = format!("to keep it as text, write it in double quotes: '\"{number}\"'");
    if !number.contains(['.', 'e', 'E']) {
        return match number.parse::<i64>() {
            Ok(0) if number.starts_with('-') => Err("-0 is not a whole number; write 0 or -0.0".to_owned()),
            Ok(_) => Ok(()),
            Err(_) => Err(format!("{number} does not fit into a whole number of 64 bits; {quoted}")),
        };
    }
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let is_zero = !mantissa.contains(|digit: char| ('1'..='9').contains(&digit));
    match number.parse::<f64>() {
        Ok(double) if double.is_finite() && (double != 0.0 || is_zero) => Ok(()),
        _ => Err(format!("{number} does not fit into a double; {quoted}")),
    }
}

/// The numbers in JSON, outside of texts.
fn numbers(json: &str) -> impl Iterator<Item = &str> {
    let mut rest = json;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit())?;
            rest = &rest[at..];
            if let Some(text) = rest.strip_prefix('"') {
                rest = behind_text(text);
                continue;
            }
            let end = rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')).unwrap_or(rest.len());
            let (number, behind) = rest.split_at(end);
            rest = behind;
            return Some(number);
        }
    })
}

/// What follows the text that begins here.
fn behind_text(text: &str) -> &str {
    let mut is_escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

/// JSON in which no object has the same key twice: one of the two values would be lost.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Look)
    }
}

struct Look;

impl<'de> Visitor<'de> for Look {
    type Value = Unique;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value::<Unique>()?;
            if let Some(twice) = keys.replace(key) {
                return Err(A::Error::custom(format!("the key {twice:?} is given twice")));
            }
        }
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Unique, A::Error> {
        while list.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        read(text).expect("JSON").expect_err(text)
    }

    #[test]
    fn what_can_be_kept_is_read() {
        for text in [
            "9223372036854775807",
            "-9223372036854775808",
            "1e2",
            "0e-999",
            "0.000e5",
            "-0.0",
            r#"["\u00e9\ud83d\ude00", "1e999", "a\"12345678901234567890"]"#,
            r#"{"a":{"a":1},"b":[{"a":2}]}"#,
        ] {
            assert!(matches!(read(text), Some(Ok(_))), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_left_alone() {
        for text in ["dark", "1.2.3.4", "2026-01-31", "01", "[1", "{a}", "\"open", "", "NaN", "1e", "+1"] {
            assert!(read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn numbers_that_would_change_are_refused() {
        for text in
            ["12345678901234567890", "9223372036854775808", "-9223372036854775809", "[1,[18446744073709551616]]"]
        {
            assert!(refusal(text).contains("64 bits"), "{text}");
        }
        for text in ["1e999", "-1e999", "1e-999", "{\"a\":[0.1e-400]}"] {
            assert!(refusal(text).contains("does not fit into a double"), "{text}");
        }
        assert_eq!(refusal("-0"), "-0 is not a whole number; write 0 or -0.0");
        assert!(refusal("1e999").ends_with("write it in double quotes: '\"1e999\"'"));
    }

    #[test]
    fn what_a_value_can_t_hold_is_refused() {
        for text in [r#""\ud800""#, r#"["\udc00"]"#, r#"{"a":"\ud800x"}"#, r#""\ud83d\u0041""#] {
            assert!(refusal(text).starts_with("a text can't hold half of a surrogate pair"), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(refusal(&deep), "lists and maps are nested too deep");
        assert!(refusal(r#"{"a":1,"b":{"c":1,"c":2}}"#).starts_with("the key \"c\" is given twice"));
    }
}
