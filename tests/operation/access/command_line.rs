//! The token of the command line: by a flag and by variables. Every client library has the same variables.

use super::RULES;
use crate::common::access::AccessFiles;
use crate::common::{Run, Server, binary, run};

fn command(server: &Server, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = binary();
    command.args(arguments).args(["--addr", server.address(), "--timeout", "20s"]).envs(variables.iter().copied());
    run(&mut command)
}

#[test]
fn a_flag_and_variables_name_the_token() {
    let files = AccessFiles::new(RULES);
    let [shop, ops] = ["shop", "ops"].map(|caller| files.token(caller));
    let (shop, ops) = (shop.reveal(), ops.reveal());
    files.write("shop", &format!("{shop}\n"));
    files.write("ops", ops);
    let [shop_file, ops_file] = ["shop", "ops"].map(|file| files.name(file));
    let server = files.serve(&[]);
    let create = ["create", "--namespace", "shop", "theme=dark"];
    let created = |flags: &[&str], variables: &[(&str, &str)]| {
        let Run { code, stderr, .. } = command(&server, &[&create, flags].concat(), variables);
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
    };
    created(&["--token-file", &shop_file], &[]);
    created(&[], &[("SESSIOND_TOKEN_FILE", &shop_file)]);
    created(&[], &[("SESSIOND_TOKEN", shop), ("SESSIOND_TOKEN_FILE", "")]);
    // The flag wins over its variable.
    created(&["--token-file", &shop_file], &[("SESSIOND_TOKEN_FILE", "/nowhere")]);

    // Each command takes it: an operator's too, and a check of the data, which names its server otherwise.
    assert_eq!(command(&server, &["stats", "--token-file", &ops_file], &[]).code, Some(0));
    let verify = ["verify", "--server", server.address(), "--token-file", &ops_file];
    assert_eq!(run(binary().args(verify)).code, Some(0));
    files.write("no-backup", "nothing");
    let no_backup = files.name("no-backup");
    let restore = ["restore", &no_backup, "--server", server.address(), "--token-file", &ops_file];
    let Run { code, stderr, .. } = run(binary().args(restore));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("holds sessions or events already"), "{stderr}");

    let Run { code, stderr, .. } = command(&server, &create, &[]);
    assert_eq!((code, stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert!(stderr.contains("does not know the caller: "), "{stderr}");
    let Run { code, stderr, .. } = command(&server, &["stats"], &[("SESSIOND_TOKEN", shop)]);
    assert_eq!((code, stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert!(stderr.contains("does not allow the call: ") && stderr.contains("statistics"), "{stderr}");
    assert!(!stderr.contains(shop), "{stderr}");
    // Health is told to everybody.
    assert_eq!(command(&server, &["health"], &[]).code, Some(0));
}

#[test]
fn wrong_settings_are_wrong_usage_in_one_line() {
    let files = AccessFiles::new(RULES);
    let token = files.token("shop");
    files.write("shop", token.reveal());
    files.write("empty", "");
    files.write("words", "two secrets");
    let server = files.serve(&[]);
    let [shop, empty, words, missing] = ["shop", "empty", "words", "missing"].map(|file| files.name(file));
    // With SESSIOND_TOKEN, which is empty where it is not set.
    let cases = [
        (missing.as_str(), "", "missing can't be read"),
        (&empty, "", "empty is empty: write the token into its first line"),
        (&words, "", "words holds no token in its first line"),
        (token.reveal(), "", "a token stands where the path of its file belongs"),
        (&shop, "secret", "a token file and a token are both set; use one"),
    ];
    for (file, text, problem) in cases {
        let variables = [("SESSIOND_TOKEN", text)];
        let Run { code, stderr, .. } = command(&server, &["stats", "--token-file", file], &variables);
        assert_eq!((code, stderr.lines().count()), (Some(2), 1), "{stderr}");
        assert!(stderr.contains(problem), "{stderr}");
        assert!(!stderr.contains("secret") && !stderr.contains(token.reveal()), "{stderr}");
    }
    let refused = command(&server, &["stats"], &[("SESSIOND_TOKEN", "two secrets")]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("SESSIOND_TOKEN can't be used"), "{refused:?}");
}
