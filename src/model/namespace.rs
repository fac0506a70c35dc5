//! How namespaces are named.

/// What [`is_namespace`] asks for, in words.
pub const NAMESPACE_RULE: &str = "1 to 63 characters from a-z, 0-9, '-', '_' and '.', the first a letter or digit";

/// Whether a namespace can have this name: 1 to 63 of the characters a-z, 0-9, '-', '_' and '.', the first one a letter or
/// a digit.
#[must_use]
pub fn is_namespace(name: &str) -> bool {
    let lower_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 63
        && name.bytes().next().is_some_and(lower_alphanumeric)
        && name.bytes().all(|byte| lower_alphanumeric(byte) || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for name in ["a", "0", "shop", "eu-1.shop_2", &"x".repeat(63)] {
            assert!(is_namespace(name), "{name}");
        }
        for name in ["", "-a", ".a", "_a", "Shop", "a b", "a/b", "caf\u{e9}", "a\0", &"x".repeat(64)] {
            assert!(!is_namespace(name), "{name:?}");
        }
    }
}
