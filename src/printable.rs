//! Makes text of others fit for a terminal: visitors can put anything into a label, even characters that control a terminal,
//! change the direction of the text, or are invisible.

use std::fmt::Write as _;

use serde_json::Value as Json;

/// Characters of Unicode's category Cf (format), and its separators of lines and paragraphs, in ascending order.
const FORMAT: [(u32, u32); 21] = [
    (0xad, 0xad),
    (0x600, 0x605),
    (0x61c, 0x61c),
    (0x6dd, 0x6dd),
    (0x70f, 0x70f),
    (0x890, 0x891),
    (0x8e2, 0x8e2),
    (0x180e, 0x180e),
    (0x200b, 0x200f),
    (0x2028, 0x202e),
    (0x2060, 0x2064),
    (0x2066, 0x206f),
    (0xfeff, 0xfeff),
    (0xfff9, 0xfffb),
    (0x1_10bd, 0x1_10bd),
    (0x1_10cd, 0x1_10cd),
    (0x1_3430, 0x1_343f),
    (0x1_bca0, 0x1_bca3),
    (0x1_d173, 0x1_d17a),
    (0xe_0001, 0xe_0001),
    (0xe_0020, 0xe_007f),
];

/// Whether a character is shown as its number.
fn is_hidden(character: char) -> bool {
    let number = u32::from(character);
    character.is_control() || FORMAT.iter().any(|(first, last)| (*first..=*last).contains(&number))
}

/// Text with its hidden characters escaped as Rust writes them: `\u{202e}`.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
    }
    printable
}

/// JSON for people, with its hidden characters escaped.
#[must_use]
pub fn pretty(json: &Json) -> String {
    escape_controls(&format!("{json:#}"))
}

/// JSON with its hidden characters escaped as JSON writes them, but for line feeds; it stays the same JSON.
#[must_use]
pub fn escape_controls(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if is_hidden(character) && character != '\n' {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_or_turns_the_text_is_escaped() {
        assert_eq!(
            printable("a\u{202e}b\u{200b}\u{2028}\u{feff}\u{9b}\n"),
            "a\\u{202e}b\\u{200b}\\u{2028}\\u{feff}\\u{9b}\\n"
        );
        assert_eq!(printable("\u{e0041}\u{ad}\u{61c}\u{2066}"), "\\u{e0041}\\u{ad}\\u{61c}\\u{2066}");
        for text in
            ["Zo\u{eb} Zoe\u{308}", "\u{645}\u{631}\u{62d}\u{628}\u{627}", "\u{3042}\u{3000}\u{1f600}", "\\n '\""]
        {
            assert_eq!(printable(text), text);
        }
    }

    #[test]
    fn json_stays_the_same() {
        let json = serde_json::json!({ "a\u{202e}": ["\u{e0041}\u{1f600}", "\u{7f}\u{2029}"] });
        let text = pretty(&json);
        assert!(!text.contains(|character| is_hidden(character) && character != '\n'), "{text:?}");
        assert_eq!(serde_json::from_str::<Json>(&text).expect("JSON"), json);
    }
}
