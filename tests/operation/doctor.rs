//! Tests of `sessiond doctor`: what it finds, what it says to do, and its exit code.

use crate::common::tls::Certificates;
use crate::common::{Run, Server, binary, run};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

fn doctor(arguments: &[&str]) -> Run {
    run(binary().args(["doctor", "--timeout", "20s"]).args(arguments))
}

/// The line of a check.
fn line<'a>(run: &'a Run, check: &str) -> &'a str {
    let found = run.stdout.lines().find(|line| line.get(6..).is_some_and(|line| line.starts_with(check)));
    found.unwrap_or_else(|| panic!("no line is about {check}: {run:?}"))
}

fn is(run: &Run, check: &str, verdict: &str, words: &str) {
    let line = line(run, check);
    assert!(line.starts_with(verdict) && line.contains(words), "{line}");
}

#[test]
fn a_server_that_is_well_has_a_line_for_each_check() {
    let server = Server::start_with(&["--metrics-listen", "127.0.0.1:0"]);
    let data = server.data();
    let found = doctor(&[
        "--addr",
        server.address(),
        "--metrics",
        server.metrics_address(),
        "--data-dir",
        data.to_str().unwrap(),
    ]);
    assert_eq!((found.code, found.stderr.as_str()), (Some(0), ""), "{found:?}");
    is(&found, "address", "ok", server.address());
    for check in ["health", "writes", "sweeper", "certificate", "access"] {
        is(&found, check, "ok", "serving");
    }
    // How long a call takes, and how much space is free, is up to the machine.
    assert!(line(&found, "latency").contains(" ms for a call"), "{found:?}");
    assert!(line(&found, "disk").contains(" are free"), "{found:?}");
    is(&found, "contract", "ok", "sessiond.v1");
    is(&found, "clock", "ok", "this machine's");
    is(&found, "version", "ok", env!("CARGO_PKG_VERSION"));
    is(&found, "data", "ok", "0700");
}

#[test]
fn where_nobody_listens_it_fails_and_looks_at_what_it_can() {
    let mut server = Server::start();
    server.stop();
    let data = server.data();
    fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    let found =
        doctor(&["--addr", server.address(), "--data-dir", data.to_str().unwrap(), "--metrics", server.address()]);
    assert_eq!(found.code, Some(1), "{found:?}");
    assert!(found.stderr.starts_with("sessiond: 3 of ") && found.stderr.ends_with(" checks failed\n"), "{found:?}");
    is(&found, "health", "fail", "is it running");
    is(&found, "data", "fail", "0755; others can read sessions: chmod 0700");
    is(&found, "metrics", "fail", "name the address of metrics-listen");
    assert!(!found.stdout.contains("latency"), "{found:?}");

    let json = doctor(&["--addr", server.address(), "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["checks"][1]["check"], "health");
    assert_eq!(json["checks"][1]["verdict"], "fail");
}

#[test]
fn a_socket_that_everybody_may_use_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("socket").display());
    for (mode, verdict) in [("0660", "ok"), ("0666", "warn")] {
        let server = Server::start_with(&["--listen", &address, "--socket-mode", mode]);
        let found = doctor(&["--addr", &address]);
        assert_eq!(found.code, Some(0), "{found:?}");
        is(&found, "socket", verdict, mode);
        drop(server);
    }
    let missing = doctor(&["--addr", "unix:/nowhere/socket"]);
    assert_eq!(missing.code, Some(1));
    is(&missing, "socket", "fail", "is this its socket?");
}

#[test]
fn the_end_of_the_certificate_is_told_before_it_comes() {
    let files = Certificates::with_brief(Duration::from_secs(3 * 24 * 60 * 60));
    let (certificate, key, ca) = (files.name("brief.pem"), files.name("brief-key.pem"), files.name("ca.pem"));
    let own = files.server_flags();
    let well: Vec<&str> = own.iter().map(String::as_str).collect();
    let brief = ["--listen", "tls://127.0.0.1:0", "--tls-certificate", &certificate, "--tls-key", &key];
    for (flags, verdict, words) in [(&well[..], "ok", "2040-01-01"), (&brief[..], "warn", "renew it")] {
        let server = Server::start_with(flags);
        let address = server.address().replace("tls://", "https://");
        let found = doctor(&["--addr", &address, "--ca-file", &ca]);
        assert_eq!(found.code, Some(0), "{found:?}");
        is(&found, "end of TLS", verdict, words);
        is(&found, "health", "ok", "serving");
        // A client that trusts another CA hears so, and until when the certificate holds.
        let other = doctor(&["--addr", &address, "--ca-file", &files.name("other-ca.pem")]);
        assert_eq!(other.code, Some(1), "{other:?}");
        is(&other, "health", "fail", "certificate");
        is(&other, "end of TLS", verdict, words);
    }
}

#[test]
fn what_the_caller_may_not_ask_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("access.toml");
    let shop = "[caller.shop]\nanyone = true\nallow = [{ namespaces = ['shop'], may = ['sessions'] }]\n";
    fs::write(&rules, shop).unwrap();
    let server = Server::start_with(&["--access-file", rules.to_str().unwrap(), "--reflection", "false"]);
    let found = doctor(&["--addr", server.address()]);
    assert_eq!(found.code, Some(0), "{found:?}");
    is(&found, "clock", "warn", "needs the permission statistics");
    is(&found, "contract", "warn", "reflection");
}
