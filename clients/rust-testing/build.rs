//! Finds the tests that the package tower-sessions carries for its own stores, which `tests/tower_sessions.rs` runs.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    // Of this platform alone: what only others need may not be on this machine.
    let platform = std::env::var("TARGET")?;
    let arguments = ["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &platform];
    let output = Command::new(std::env::var("CARGO")?).args(arguments).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let manifest = packages
        .filter(|package| package["name"] == "tower-sessions")
        .find_map(|package| package["manifest_path"].as_str())
        .ok_or("tower-sessions is not among the packages")?;
    let tests = Path::new(manifest).with_file_name("tests").join("common").join("mod.rs");
    println!("cargo::rustc-env=TOWER_SESSIONS_TESTS={}", tests.display());
    Ok(())
}
