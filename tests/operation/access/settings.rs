//! Wrong settings and wrong files, and the commands that keep tokens.

use super::RULES;
use crate::common::access::AccessFiles;
use crate::common::{Run, Server, binary, run};
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn refused(flags: &[&str], setting: &str, part: &str) {
    let folder = tempfile::tempdir().unwrap();
    let Run { code, stdout, stderr } = run(binary().current_dir(folder.path()).arg("serve").args(flags));
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with(&format!("sessiond: --{setting}: ")) && stderr.contains(part), "{stderr}");
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "a start that is refused makes no folder");
}

#[test]
fn nobody_serves_everybody_without_saying_so() {
    let open = ["--listen", "0.0.0.0:0", "--allow-plaintext"];
    refused(&open, "listen", "set access-file to say who may call, or set --allow-anonymous");
    refused(&["--access-tokens", "tokens"], "access-tokens", "access-file what each caller may do; set that too");

    let said = Server::start_with(&[&open[..], &["--allow-anonymous"]].concat());
    assert!(said.banner().contains("access      open: whoever reaches the server"), "{}", said.banner());
    let files = AccessFiles::new(RULES);
    let asks = files.serve(&open);
    assert!(asks.banner().contains("access      by the rules of /"), "{}", asks.banner());
}

#[test]
fn files_that_can_not_be_used_are_named_with_the_remedy() {
    let files = AccessFiles::new(RULES);
    let (access, tokens) = (files.name("access.toml"), files.name("tokens"));
    let folder = files.name(".");
    refused(&["--access-file", "missing"], "access-file", "missing can't be read");
    refused(&["--access-file", &folder], "access-file", "is no file; use a TOML file");
    refused(&["--access-file", &access], "access-file", "caller.both: nothing tells who it is");
    let with_tokens = ["--access-file", &access, "--access-tokens", &tokens];
    for (text, problem) in [
        ("[caller.shop]\nallow = [{ namespaces = [\"shop\"], may = \"sessions\" }]", "line 2 can't be used"),
        ("[caller.shop\n", "line 1 can't be used"),
        (
            "[caller.shop]\nallow = [{ namespaces = [\"a\"], may = [\"all\"] }]",
            "may: \"all\" is no permission; write some of",
        ),
    ] {
        files.write("access.toml", text);
        refused(&with_tokens, "access-file", problem);
    }
    files.write("access.toml", RULES);
    files.write("tokens", "sdt_secret\n");
    refused(&with_tokens, "access-tokens", "line 1 is no line of `sessiond token create`");
}

#[test]
fn tokens_are_made_listed_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let token = |arguments: &[&str]| {
        run(binary().current_dir(folder.path()).arg("token").args(arguments).args(["--access-tokens", "tokens"]))
    };
    let missing = token(&["list"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.starts_with("sessiond: tokens can't be read"), "{}", missing.stderr);

    let made = token(&["create", "shop"]);
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""));
    let secret = made.stdout.trim_end();
    assert!(secret.starts_with("sdt_") && secret.len() == 52 && !secret.contains(char::is_whitespace), "{secret}");
    let id = &secret[4..12];
    let file = folder.path().join("tokens");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!fs::read_to_string(&file).unwrap().contains(secret));

    let brief = token(&["create", "blog", "--expires", "90d", "--json"]);
    let brief: serde_json::Value = serde_json::from_str(&brief.stdout).unwrap();
    assert_eq!(brief["caller"], "blog");
    let listed = token(&["list"]).stdout;
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with("TOKEN"), "{listed}");
    assert!(lines[1].starts_with(id) && lines[1].contains("shop") && lines[1].ends_with("never"), "{listed}");
    assert!(lines[2].ends_with(brief["expire_time"].as_str().unwrap()), "{listed}");
    assert!(!listed.contains(secret));

    let revoked = token(&["revoke", id]);
    assert_eq!((revoked.code, revoked.stdout.as_str()), (Some(0), "revoked a token of shop\n"));
    let again = token(&["revoke", id]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("has no token"), "{}", again.stderr);
    assert_eq!(token(&["create", "No Caller"]).code, Some(2));
}
