//! Tries settings files, and the variable of any setting.

use super::environment::environment_name;
use super::{ServeArgs, Settings};
use crate::fuzzing::{Input, check_line, scratch};
use std::ffi::OsString;
use std::fs;

/// The first byte is odd if a value for some variable comes before the text of the file.
pub(crate) fn settings(input: &[u8]) {
    let mut rest = Input(input);
    let mut variables = Vec::new();
    if rest.byte() % 2 == 1 {
        let command = Settings::command();
        let names: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
        let name = names[usize::from(rest.byte()) % names.len()];
        let length = rest.byte();
        let value = String::from_utf8_lossy(rest.take(length.into())).into_owned();
        variables.push((OsString::from(environment_name(name)), OsString::from(value)));
    }
    let path = scratch().join("sessiond.toml");
    fs::write(&path, rest.0).expect("a file");
    let args = ServeArgs { config: Some(path.clone()), ..ServeArgs::default() };
    let loaded = match args.load_with(variables) {
        Ok(loaded) => loaded,
        Err(problem) => return check_line(&problem.to_string()),
    };
    // What is shown as a file are the same settings.
    for text in [loaded.to_toml(), loaded.example()] {
        fs::write(&path, text).expect("a file");
        let again = args.load_with([]).unwrap_or_else(|problem| panic!("{problem}"));
        assert_eq!(again.settings, loaded.settings);
    }
    assert!(!loaded.table().is_empty());
}
