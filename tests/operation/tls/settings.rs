//! Wrong settings: each is refused at the start with one line that says what to do.

use crate::common::tls::Certificates;
use crate::common::{Run, Server, binary, run};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

fn refused(flags: &[&str], setting: &str, parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let Run { code, stdout, stderr } = run(binary().current_dir(folder.path()).arg("serve").args(flags));
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with(&format!("sessiond: --{setting}: ")), "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{part:?} is missing in: {stderr}");
    }
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "a start that is refused makes no folder");
}

#[test]
fn settings_that_do_not_belong_together_are_refused() {
    let files = Certificates::new();
    let [certificate, key, ca] = ["server.pem", "server-key.pem", "ca.pem"].map(|file| files.name(file));
    let pair = ["--tls-certificate", &certificate, "--tls-key", &key];
    let loopback = ["--listen", "tls://127.0.0.1:0"];
    let open = ["--listen", "tls://0.0.0.0:0"];
    refused(&loopback, "listen", &["tls://127.0.0.1:0 needs a certificate and its key; set tls-certificate"]);
    refused(&[&loopback[..], &pair[..2]].concat(), "listen", &["set tls-key"]);
    refused(&[&loopback[..], &pair[2..]].concat(), "listen", &["set tls-certificate"]);
    refused(&pair, "tls-certificate", &["no address of listen or console-listen begins with tls://"]);
    refused(&["--tls-client-ca", &ca], "tls-client-ca", &["no address of listen or console-listen begins with tls://"]);
    refused(
        &[&open[..], &pair[..]].concat(),
        "listen",
        &["tls://0.0.0.0:0 would serve whoever reaches it", "tls-client-ca", "--allow-anonymous"],
    );
    let names = ["--tls-client-names", "a.test"];
    refused(&[&loopback[..], &pair[..], &names[..]].concat(), "tls-client-names", &["set that too"]);
    let names = ["--tls-client-names", "a.test,all", "--tls-client-ca", &ca];
    refused(&[&loopback[..], &pair[..], &names[..]].concat(), "tls-client-names", &["write it alone"]);
    // Plaintext that was allowed does not let in whoever reaches the port with TLS.
    refused(&[&open[..], &pair[..], &["--allow-plaintext"]].concat(), "listen", &["--allow-anonymous"]);
    refused(&["--metrics-listen", "tls://127.0.0.1:0"], "metrics-listen", &["tls://127.0.0.1:0 is not possible here"]);
    refused(&["--listen", "tls://127.0.0.1"], "listen", &["is not an address", "tls://HOST:PORT"]);
}

#[test]
fn files_that_can_not_be_used_are_named_with_the_remedy() {
    let files = Certificates::new();
    let path = |file: &str| files.name(file);
    for (file, content) in [("empty", ""), ("text", "hello"), ("cut", "-----BEGIN CERTIFICATE-----\nAAAA\n")] {
        fs::write(files.path(file), content).unwrap();
    }
    let cut_key = "-----BEGIN PRIVATE KEY-----\nSECRETSECRET!\n-----END PRIVATE KEY-----\n";
    fs::write(files.path("cut-key"), cut_key).unwrap();
    let with = |certificate: &str, key: &str, client_ca: Option<&str>, setting: &str, parts: &[&str]| {
        let (certificate, key) = (path(certificate), path(key));
        let ca = client_ca.map(path);
        let mut flags = vec!["--listen", "tls://127.0.0.1:0", "--tls-certificate", &certificate, "--tls-key", &key];
        flags.extend(ca.iter().flat_map(|ca| ["--tls-client-ca", ca]));
        refused(&flags, setting, parts);
    };
    with(
        "missing",
        "server-key.pem",
        None,
        "tls-certificate",
        &["missing can't be read (No such file", "check its path"],
    );
    with("empty", "server-key.pem", None, "tls-certificate", &["empty holds no certificate; use a PEM file"]);
    with("text", "server-key.pem", None, "tls-certificate", &["text holds no certificate"]);
    with("cut", "server-key.pem", None, "tls-certificate", &["cut is no PEM file (a section has no end)"]);
    with("server-key.pem", "server-key.pem", None, "tls-certificate", &["holds no certificate"]);
    with(
        "expired.pem",
        "expired-key.pem",
        None,
        "tls-certificate",
        &["expired.pem ended at 2021-01-01T00:00:00Z; renew it"],
    );
    with(
        "client.pem",
        "client-key.pem",
        None,
        "tls-certificate",
        &["client.pem is not for servers (extendedKeyUsage without serverAuth)", "use one that is"],
    );
    with("ca.pem", "ca-key.pem", None, "tls-certificate", &["ca.pem has no alternative name (subjectAltName)"]);
    with("server.pem", "missing", None, "tls-key", &["missing can't be read"]);
    with(
        "server.pem",
        "server.pem",
        None,
        "tls-key",
        &["server.pem holds no private key", "-----BEGIN PRIVATE KEY-----"],
    );
    with("server.pem", "cut-key", None, "tls-key", &["cut-key is no PEM file (it is not base64)"]);
    with("server.pem", "client-key.pem", None, "tls-key", &["client-key.pem is not the key of", "server.pem"]);
    with("server.pem", "server-key.pem", Some("missing"), "tls-client-ca", &["missing can't be read"]);
    with("server.pem", "server-key.pem", Some("empty"), "tls-client-ca", &["empty holds no certificate"]);
    let ended = ["expired.pem ended at 2021-01-01T00:00:00Z; renew it"];
    with("server.pem", "server-key.pem", Some("expired.pem"), "tls-client-ca", &ended);
}

#[test]
fn a_key_that_others_can_write_is_refused_and_one_that_they_can_read_is_warned_of() {
    let files = Certificates::new();
    let mode = |mode| fs::set_permissions(files.path("server-key.pem"), fs::Permissions::from_mode(mode)).unwrap();
    let flags = files.server_flags();
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    mode(0o606);
    refused(&flags, "tls-key", &["server-key.pem can be written by every user (mode 0606)", "chmod o-w"]);
    mode(0o604);
    let server = Server::start_with(&flags);
    assert!(server.log().contains("every user can read the key of tls-key"), "{}", server.log());
    mode(0o600);
    let server = Server::start_with(&flags);
    assert!(!server.log().contains("every user can read"), "{}", server.log());
}

#[test]
fn the_text_of_a_key_in_place_of_its_file_is_not_repeated() {
    let files = Certificates::new();
    let key = fs::read_to_string(files.path("server-key.pem")).unwrap();
    let secret = key.lines().nth(1).unwrap();
    let listen = ["serve", "--listen", "tls://127.0.0.1:0", "--tls-certificate", &files.name("server.pem")];
    let health = ["health", "--addr", "https://127.0.0.1:1", "--ca-file", &files.name("ca.pem")];
    let runs = [
        run(binary().args(listen).env("SESSIOND_TLS_KEY", &key)),
        run(binary().args(listen).args(["--tls-key", &key])),
        run(binary().args(listen).arg(format!("--tls-key={key}"))),
        run(binary().args(["config"]).env("SESSIOND_TLS_KEY", &key)),
        run(binary()
            .args(health)
            .env("SESSIOND_KEY_FILE", &key)
            .env("SESSIOND_CERTIFICATE_FILE", files.name("client.pem"))),
        run(binary().args(health).args(["--key-file", &key])),
        run(binary().args(health).arg(format!("--key-file={key}"))),
        run(binary().args(health).env("SESSIOND_CA_FILE", &key).args(["--certificate-file", &key])),
    ];
    for run in runs {
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(!run.stderr.contains(secret) && !run.stdout.contains(secret), "{run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    }
}

#[test]
fn nothing_of_a_key_is_shown() {
    let files = Certificates::new();
    fs::write(files.path("bad-key"), "-----BEGIN PRIVATE KEY-----\nSECRETSECRET!\n-----END PRIVATE KEY-----\n")
        .unwrap();
    let flags = [
        "serve",
        "--listen",
        "tls://127.0.0.1:0",
        "--tls-certificate",
        &files.name("server.pem"),
        "--tls-key",
        &files.name("bad-key"),
    ]
    .map(str::to_owned);
    let run = run(binary().args(flags));
    assert!(!run.stderr.contains("SECRET"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_loopback_clients_need_a_certificate_unless_it_is_said() {
    let files = Certificates::new();
    let ca = files.name("ca.pem");
    for more in [&["--tls-client-ca", &ca][..], &["--allow-anonymous"]] {
        let flags: Vec<String> = files
            .server_flags()
            .into_iter()
            .map(|flag| flag.replace("127.0.0.1", "0.0.0.0"))
            .chain(more.iter().map(|flag| (*flag).to_owned()))
            .collect();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let server = crate::common::Server::start_with(&flags);
        assert!(server.address().starts_with("tls://0.0.0.0:"), "{}", server.banner());
        let warns = server.banner().contains("access      open");
        assert_eq!(warns, more == ["--allow-anonymous"], "{}", server.banner());
        assert!(!server.banner().contains("not encrypted"), "{}", server.banner());
    }
}
