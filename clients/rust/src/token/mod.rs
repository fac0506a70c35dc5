//! The token by which a server knows the caller: where it comes from, and what is one.
//!
//! [`Tokens`] is what calls use of it; it reads the file again.

mod tokens;

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use tonic::metadata::{Ascii, MetadataValue};

pub(crate) use tokens::Tokens;

/// How much of a file is read: its first line, with the white space around the token.
const LONGEST_FILE: u64 = 4096;

/// The shortest token that sessiond itself makes, in bytes; it begins with `sdt_`.
const SHORTEST_OF_OURS: usize = 40;

/// What every token is.
const CHARACTERS: &str = "a token is 1 to 256 of the characters ! to ~";

/// The settings of a token. What is not set comes from the environment.
#[derive(Clone, Default)]
pub(crate) struct TokenSettings {
    pub(crate) file: Option<PathBuf>,
    pub(crate) text: Option<String>,
}

/// A token, or the file of one, that can't be used. Its text never holds anything of a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TokenError(String);

impl fmt::Debug for TokenSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text.as_ref().map(|_| format_args!("redacted"));
        f.debug_struct("TokenSettings").field("file", &self.file).field("text", &text).finish()
    }
}

impl TokenSettings {
    /// Reads the token; `None` if there is none. What is not set comes from variables of the environment.
    pub(crate) fn read(self, variable: &impl Fn(&str) -> Option<OsString>) -> Result<Option<Tokens>, TokenError> {
        let file = self.file.or_else(|| variable("SESSIOND_TOKEN_FILE").map(PathBuf::from));
        let text = match self.text {
            Some(text) => Some(("the token that is set", text)),
            None => variable("SESSIOND_TOKEN").map(|text| ("SESSIOND_TOKEN", text.to_string_lossy().into_owned())),
        };
        match (file, text) {
            (Some(_), Some(_)) => Err(TokenError("a token file and a token are both set; use one".to_owned())),
            (Some(file), None) => {
                let token = read(&file)?;
                Ok(Some(Tokens::of_file(file, token)))
            }
            (None, Some((name, text))) => {
                let token = header(&text).ok_or_else(|| TokenError(format!("{name} can't be used: {CHARACTERS}")))?;
                Ok(Some(Tokens::fixed(token)))
            }
            (None, None) => Ok(None),
        }
    }
}

/// The token in a file, as the header of calls.
fn read(path: &Path) -> Result<MetadataValue<Ascii>, TokenError> {
    let name = path.to_string_lossy();
    if name.starts_with("sdt_") && name.len() >= SHORTEST_OF_OURS && !name.contains('/') {
        // It is not repeated.
        return Err(TokenError("a token stands where the path of its file belongs".to_owned()));
    }
    let problem = |problem: fmt::Arguments<'_>| TokenError(format!("the token file {} {problem}", path.display()));
    let text = contents(path).map_err(|error| problem(format_args!("can't be read ({error})")))?;
    if text.trim_ascii().is_empty() {
        return Err(problem(format_args!("is empty: write the token into its first line")));
    }
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    let line = str::from_utf8(line).ok().and_then(header);
    line.ok_or_else(|| problem(format_args!("holds no token in its first line: {CHARACTERS}")))
}

fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(LONGEST_FILE).read_to_end(&mut text)?;
    Ok(text)
}

/// The header of calls with this token; `None` if it is none.
fn header(token: &str) -> Option<MetadataValue<Ascii>> {
    let is_token = (1..=256).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
    let mut header = is_token.then(|| MetadataValue::try_from(format!("Bearer {token}")).ok())??;
    // Neither shown nor kept in the tables of HTTP/2.
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn settings(file: Option<&Path>, text: Option<&str>) -> TokenSettings {
        TokenSettings { file: file.map(Path::to_owned), text: text.map(str::to_owned) }
    }

    fn unset(_: &str) -> Option<OsString> {
        None
    }

    fn refusal(settings: TokenSettings) -> String {
        settings.read(&unset).expect_err("it can't be used").to_string()
    }

    #[test]
    fn a_token_is_1_to_256_visible_characters() {
        for token in ["!", "sdt_r4mdn2qk_secret~", &"x".repeat(256)] {
            let tokens = settings(None, Some(token)).read(&unset).expect(token).expect("one is set");
            assert_eq!(tokens.header().to_str().expect("ASCII"), format!("Bearer {token}"));
        }
        for text in ["", "two words", "secr\u{e9}t", "secret\n", &"secret".repeat(43)] {
            let refused = refusal(settings(None, Some(text)));
            assert_eq!(refused, format!("the token that is set can't be used: {CHARACTERS}"));
        }
    }

    #[test]
    fn no_debug_form_shows_a_token() {
        let settings = settings(None, Some("a-secret"));
        let shown = format!("{settings:?} {:?}", settings.clone().read(&unset).expect("a token"));
        assert!(shown.contains("redacted") && !shown.contains("a-secret"), "{shown}");
    }

    #[test]
    fn a_token_stands_in_the_first_line_of_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        for text in ["secret", "secret\n", " \tsecret \r\nanother line\n"] {
            fs::write(&file, text).expect("the file is written");
            let tokens = settings(Some(&file), None).read(&unset).expect("a token").expect("one is set");
            assert_eq!(tokens.header().to_str().expect("ASCII"), "Bearer secret");
        }
        let path = file.display();
        let missing = refusal(settings(Some(&folder.path().join("missing")), None));
        assert!(missing.contains("/missing can't be read (No such file"), "{missing}");
        for (text, problem) in [
            ("", "is empty: write the token into its first line".to_owned()),
            (" \n\t\n", "is empty: write the token into its first line".to_owned()),
            ("\nsecret", format!("holds no token in its first line: {CHARACTERS}")),
            ("two secrets", format!("holds no token in its first line: {CHARACTERS}")),
            ("secr\u{e9}t", format!("holds no token in its first line: {CHARACTERS}")),
        ] {
            fs::write(&file, text).expect("the file is written");
            assert_eq!(refusal(settings(Some(&file), None)), format!("the token file {path} {problem}"));
        }
    }

    #[test]
    fn a_token_in_the_place_of_its_file_is_not_repeated() {
        let refused = refusal(settings(Some(Path::new("sdt_r4mdn2qk_an0therSecret0fTwentyF0urBytes00")), None));
        assert_eq!(refused, "a token stands where the path of its file belongs");
    }

    #[test]
    fn a_file_and_a_token_exclude_each_other() {
        let both = "a token file and a token are both set; use one";
        assert_eq!(refusal(settings(Some(Path::new("/nowhere")), Some("secret"))), both);
        let variable = |name: &str| (name == "SESSIOND_TOKEN").then(|| OsString::from("secret"));
        let refused = settings(Some(Path::new("/nowhere")), None).read(&variable).expect_err("both are set");
        assert_eq!(refused.to_string(), both);
        let variable = |name: &str| (name == "SESSIOND_TOKEN_FILE").then(|| OsString::from("/nowhere"));
        let refused = settings(None, Some("secret")).read(&variable).expect_err("both are set");
        assert_eq!(refused.to_string(), both);
    }
}
