//! The command line over TLS: flags, variables, and wrong ones of both. Every client library has the same variables.

use super::{authority, start};
use crate::common::tls::Certificates;
use crate::common::{Run, Server, binary, run};
use std::fs;

fn health(server: &Server, flags: &[&str], variables: &[(&str, &str)]) -> Run {
    let address = format!("https://{}", authority(server));
    let mut command = binary();
    command.args(["health", "--addr", &address, "--timeout", "20s"]).args(flags).envs(variables.iter().copied());
    run(&mut command)
}

#[test]
fn flags_and_variables_say_how_to_speak_tls() {
    let files = Certificates::new();
    let [ca, certificate, key] = ["ca.pem", "client.pem", "client-key.pem"].map(|file| files.name(file));
    let server = start(&files, &["--tls-client-ca", &ca]);
    let flags = ["--ca-file", &ca, "--certificate-file", &certificate, "--key-file", &key];
    let variables =
        [("SESSIOND_CA_FILE", &*ca), ("SESSIOND_CERTIFICATE_FILE", &certificate), ("SESSIOND_KEY_FILE", &key)];
    let serving = |flags: &[&str], variables: &[(&str, &str)]| {
        let Run { code, stdout, stderr } = health(&server, flags, variables);
        assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "serving\n", ""));
    };
    serving(&flags, &[]);
    serving(&[], &variables);
    serving(&flags[2..], &variables[..1]);
    // A flag wins over its variable, and an empty variable is none.
    serving(&flags, &[("SESSIOND_CA_FILE", "/nowhere"), ("SESSIOND_SERVER_NAME", "")]);
    serving(&flags, &[("SESSIOND_SERVER_NAME", "sessiond.test")]);

    let unreachable = health(&server, &flags, &[("SESSIOND_SERVER_NAME", "else.test")]);
    assert_eq!(unreachable.code, Some(1), "{unreachable:?}");
    assert!(unreachable.stderr.contains("certificate not valid for name \"else.test\""), "{unreachable:?}");
    let unknown = health(&server, &flags[2..], &[]);
    assert!(unknown.stderr.contains("UnknownIssuer") || unknown.stderr.contains("certificate"), "{unknown:?}");
}

#[test]
fn wrong_settings_are_wrong_usage_in_one_line() {
    let files = Certificates::new();
    let [ca, certificate, key] = ["ca.pem", "client.pem", "client-key.pem"].map(|file| files.name(file));
    let server = start(&files, &[]);
    fs::write(files.path("empty"), "").unwrap();
    let [empty, missing, other_key] = ["empty", "missing", "server-key.pem"].map(|file| files.name(file));
    let cases: &[(&[&str], &str)] = &[
        (&["--ca-file", &missing], "missing can't be read"),
        (&["--ca-file", &empty], "empty holds no certificate in PEM"),
        (&["--certificate-file", &certificate], "a certificate file needs a key file"),
        (&["--key-file", &key], "a key file needs a certificate file"),
        (&["--certificate-file", &empty, "--key-file", &key], "empty holds no certificate in PEM"),
        (&["--certificate-file", &certificate, "--key-file", &ca], "ca.pem holds no private key"),
        (&["--certificate-file", &certificate, "--key-file", &other_key], "server-key.pem is not the key of"),
        (&["--server-name", "a b"], "\"a b\" is not the name of a server"),
    ];
    for (flags, problem) in cases {
        let with_ca: Vec<&str> =
            if flags[0] == "--ca-file" { flags.to_vec() } else { [&["--ca-file", &*ca], *flags].concat() };
        let Run { code, stderr, .. } = health(&server, &with_ca, &[]);
        assert_eq!((code, stderr.lines().count()), (Some(2), 1), "{flags:?}: {stderr}");
        assert!(stderr.contains(problem), "{flags:?}: {stderr}");
    }
    // Each variable holds by itself.
    let half = ["--ca-file", &ca, "--certificate-file", &certificate];
    assert_eq!(health(&server, &half, &[("SESSIOND_KEY_FILE", &key)]).code, Some(0));
}

#[test]
fn tls_settings_belong_to_addresses_with_tls() {
    let files = Certificates::new();
    let server = Server::start();
    let ca = files.name("ca.pem");
    let refused = run(binary().args(["health", "--addr", server.address(), "--ca-file", &ca]));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("TLS settings need an https:// address"), "{refused:?}");
    // The variables may be there for other addresses.
    let plain = run(binary().args(["health", "--addr", server.address()]).env("SESSIOND_CA_FILE", "/nowhere"));
    assert_eq!(plain.code, Some(0), "{plain:?}");
}
