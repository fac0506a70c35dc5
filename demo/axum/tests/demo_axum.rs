//! The program of the site, as `demo/run` starts it.

use std::process::Command;

#[test]
fn a_setting_that_is_missing_is_named() {
    let site = Command::new(env!("CARGO_BIN_EXE_sessiond-demo-axum")).env_clear().output().unwrap();
    assert!(!site.status.success());
    let error = String::from_utf8(site.stderr).unwrap();
    assert!(error.contains("DEMO_SITES is not set"), "{error}");
}
