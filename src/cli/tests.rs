//! Arguments as people write them, exit codes, and what goes to which output.

use std::io::ErrorKind;

use clap::{CommandFactory, Parser};

use super::output::failure::{FAILED, NOT_FOUND};
use super::*;

#[derive(Debug, Parser)]
struct CommandLine {
    #[command(subcommand)]
    command: ClientCommand,
}

fn accepts(arguments: &[&str]) -> bool {
    CommandLine::try_parse_from([&["sessiond"], arguments].concat()).is_ok()
}

#[test]
fn the_declarations_are_sound() {
    CommandLine::command().debug_assert();
}

#[test]
fn commands_are_understood() {
    for arguments in [
        &["health", "--service", "sessiond.v1.SessionStore", "--wait", "30s"][..],
        &["create"],
        &["create", "theme=dark", "{\"a\":1}", "--label", "device=phone", "--idle-timeout", "30m", "-n", "shop"],
        &["create", "--expire-at", "2030-01-31T12:00:00Z", "--quiet"],
        &["get", "-"],
        &["get", "id", "theme", "cart", "--touch", "--json", "--addr", "unix:/run/sessiond.sock"],
        &["set", "id", "a=1", "--remove", "b", "--remove", "c", "--clear", "--upsert", "--remove-label", "device"],
        &["set", "id", "--principal", "", "--expect-version", "7"],
        &["touch", "id", "--timeout", "1s"],
        &["rotate", "id", "a=1", "--grace", "10s", "--new-id", "-", "--principal", "user-42"],
        &["delete", "id", "--allow-missing"],
        &["delete", "--handle", "019b76da-a800-7000-8000-000000000000"],
    ] {
        assert!(accepts(arguments), "{arguments:?}");
    }
}

#[test]
fn commands_of_the_other_kinds_are_understood() {
    for arguments in [
        &["list"][..],
        &["list", "--principal", "user-42", "--full", "--limit", "5", "--json"],
        &["list", "--all", "-n", "shop"],
        &["count", "--principal", "user-42"],
        &["revoke", "--principal", "user-42", "--except", "-"],
        &["revoke", "--handle", "one", "two", "--handle", "three"],
        &["revoke", "--whole-namespace", "--yes"],
        &["watch", "--all-namespaces", "--kind", "created,expired", "--kind", "revoked"],
        &["watch", "--principal", "user-42", "--after", "0", "--attributes", "--json"],
        &["lock", "id", "--lease", "30s", "--wait", "5s", "--quiet"],
        &["set", "id", "a=1", "--lock-token", "-"],
        &["unlock", "-", "-"],
        &["handoff", "issue", "id", "--audience", "https://shop.example", "--lifetime", "1m"],
        &["handoff", "redeem", "-", "--audience", "https://shop.example", "--new-id", "id"],
        &["csrf", "issue", "id"],
        &["csrf", "verify", "id", "token", "--json"],
        &["csrf", "verify", "id", "-token", "--json", "-n", "shop"],
        &["stats"],
        &["stats", "--watch"],
        &["stats", "--watch=10s", "--json"],
        &["sweep", "--timeout", "5m"],
        &["backup", "file", "--force", "--json", "--addr", "unix:/run/sessiond.sock"],
        &["backup", "-"],
        &["restore", "-", "--data-dir", "data", "--json"],
        &["restore", "file", "--server", "127.0.0.1:50051"],
    ] {
        assert!(accepts(arguments), "{arguments:?}");
    }
}

#[test]
fn wrong_usage_is_refused_before_anything_is_sent() {
    for arguments in [
        &["create", "theme"][..],
        &["create", "{\"a\":"],
        &["create", "--absolute-timeout", "12h", "--expire-at", "2030-01-31T12:00:00Z"],
        &["create", "--idle-timeout", "soon"],
        &["create", "--expire-at", "2030-01-31T12:00:00"],
        &["create", "--expire-at", "2030-01-31"],
        &["create", "--expire-at", "2030-01-31T23:59:60Z"],
        &["create", "--quiet", "--json"],
        &["get"],
        &["get", "id", "--addr", "nowhere"],
        &["get", "id", "--timeout", "0s"],
        &["set", "id", "--upsert", "--expect-version", "7"],
        &["delete"],
        &["delete", "id", "--handle", "019b76da-a800-7000-8000-000000000000"],
        &["list", "--limit", "0"],
        &["list", "--limit", "5", "--all"],
        &["list", "--principal", ""],
        &["revoke", "--principal", ""],
        &["revoke", "--except", "id"],
        &["revoke", "--handle", "one", "--except", "id"],
        &["revoke", "--principal", "user-42", "--whole-namespace"],
        &["revoke", "--principal", "user-42", "--yes"],
        &["watch", "--kind", "unspecified"],
        &["unlock", "id"],
        &["handoff", "issue", "id"],
        &["handoff"],
        &["csrf", "verify", "id"],
        &["stats", "--watch=0s"],
        &["backup"],
        &["restore"],
        &["restore", "file"],
        &["restore", "--data-dir", "data"],
        &["restore", "file", "--data-dir", "data", "--server", "127.0.0.1:50051"],
        &["restore", "file", "--server", "nowhere"],
    ] {
        assert!(!accepts(arguments), "{arguments:?}");
    }
}

#[test]
fn arguments_hide_their_secrets() {
    let id = "a-secret-session-id";
    for arguments in [
        &["get", id][..],
        &["set", id, "--lock-token", id],
        &["touch", id],
        &["rotate", id, "--new-id", id],
        &["delete", id],
        &["revoke", "--principal", "user-42", "--except", id],
        &["lock", id],
        &["unlock", id, id],
        &["handoff", "issue", id, "--audience", "shop"],
        &["handoff", "redeem", id, "--audience", "shop", "--new-id", id],
        &["csrf", "issue", id],
        &["csrf", "verify", id, id],
    ] {
        let parsed = CommandLine::try_parse_from([&["sessiond"], arguments].concat()).expect("they are right");
        assert!(!format!("{parsed:?}").contains(id), "{parsed:?}");
    }
}

fn concluded(result: Result<Report, Failure>, json: bool) -> (String, String, u8) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = conclude(result, json, &mut out, &mut err);
    (String::from_utf8(out).expect("text"), String::from_utf8(err).expect("text"), code)
}

#[test]
fn results_and_errors_go_their_own_ways() {
    let line = |text: &str| format!("{text}\n");
    assert_eq!(concluded(Ok(Report::deleted(true)), false), (line("deleted"), String::new(), 0));
    assert_eq!(concluded(Ok(Report::deleted(true)), true), (line("{\"deleted\":true}"), String::new(), 0));
    assert_eq!(
        concluded(Err(Failure::not_found("no such session")), true),
        (String::new(), line("sessiond: no such session"), NOT_FOUND)
    );
    let unhealthy = Failure { report: Some(Box::new(Report::health("unreachable"))), ..Failure::new("nobody answers") };
    assert_eq!(concluded(Err(unhealthy), false), (line("unreachable"), line("sessiond: nobody answers"), FAILED));
}

/// Standard output after its reader has gone, or on a full disk.
struct Refusing(ErrorKind);

impl Write for Refusing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_pipe_is_no_error_but_a_full_disk_is() {
    let mut err = Vec::new();
    assert_eq!(conclude(Ok(Report::deleted(true)), false, &mut Refusing(ErrorKind::BrokenPipe), &mut err), 0);
    assert!(err.is_empty());
    let code = conclude(Ok(Report::deleted(true)), false, &mut Refusing(ErrorKind::StorageFull), &mut err);
    assert_eq!(code, FAILED);
    assert_eq!(stopped(Err(io::Error::from(ErrorKind::BrokenPipe).into()), &mut err), 0);
    assert_eq!(stopped(Err(io::Error::from(ErrorKind::StorageFull).into()), &mut Vec::new()), FAILED);
    assert!(String::from_utf8(err).expect("text").starts_with("sessiond: can't write to standard output"));
}

#[test]
fn wrong_usage_is_explained() {
    for (arguments, expected) in [
        (&["set", "id", "novalue"][..], r#""novalue" has no "="; write NAME=VALUE"#),
        (&["create", "{1"], "'{1' is not a JSON object: key must be a string at line 1 column 2"),
        (&["create", "--label", "=1"], r#"--label: "=1" has no name before the "="; write NAME=VALUE"#),
        (
            &["create", "--expire-at", "x"],
            "--expire-at: \"x\" is not a time with its zone; write for example 2026-01-31T12:00:00Z or \
             2026-01-31T13:00:00+01:00",
        ),
        (
            &["list", "--limit", "0"],
            r#"--limit: "0" is not a whole number above 0; write for example 200, or --all instead"#,
        ),
        (&["delete", "id", "--handle", "h"], "give an ID or --handle, not both"),
        (&["get"], "<ID> is missing; see --help"),
        (&["crotate"], r#"unknown command "crotate"; did you mean "rotate" or "create"?"#),
    ] {
        let error = CommandLine::try_parse_from([&["sessiond"], arguments].concat()).expect_err("wrong usage");
        assert_eq!(sessiond::config::one_line(&error), expected, "{arguments:?}");
    }
}

/// The terminal's width decides where a paragraph is broken. One that is broken here already would be broken twice.
#[test]
fn help_is_wrapped_once() {
    fn check(command: &clap::Command) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for (line, next) in help.lines().zip(help.lines().skip(1)) {
            let is_text = |line: &str| !line.is_empty() && !line.starts_with(' ');
            let goes_on = is_text(line) && is_text(next) && !line.ends_with(['.', ':']);
            assert!(!goes_on, "{}: a paragraph is broken after {line:?}", command.get_name());
        }
        command.get_subcommands().for_each(check);
    }
    check(&CommandLine::command());
}

#[tokio::test]
async fn commands_that_would_do_nothing_are_wrong_usage() {
    for (arguments, expected) in [
        (&["set", "id"][..], "nothing to change: give NAME=VALUE, --remove"),
        (&["set", "id", "{}", "--expect-version", "1"], "nothing to change: give NAME=VALUE, --remove"),
        (&["revoke"], "say which sessions: --principal, --handle or --whole-namespace"),
    ] {
        let parsed = CommandLine::try_parse_from([&["sessiond"], arguments].concat()).expect("they can be parsed");
        let result = match parsed.command {
            ClientCommand::Set(args) => args.run().await,
            ClientCommand::Revoke(args) => args.run().await,
            other => panic!("{other:?}"),
        };
        let failure = result.expect_err("nothing to do");
        assert_eq!(failure.code, super::output::failure::USAGE);
        assert!(failure.message.starts_with(expected), "{}", failure.message);
    }
}
