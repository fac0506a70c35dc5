//! Where the console is: off, on loopback, behind TLS, at a Unix socket; and which settings are refused.

use super::{OWN, call, json, request, start};
use crate::common::metrics::{ask, connect, get};
use crate::common::tls::{Certificates, trusting_connection};
use crate::common::{Server, binary, run};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::StreamOwned;

#[test]
fn there_is_no_console_unless_it_is_asked_for() {
    let server = Server::start();
    assert!(!server.banner().contains("console"), "{}", server.banner());
    assert_eq!(get(server.address(), "/").unwrap().status, 400);
}

#[test]
fn the_banner_says_where_it_is() {
    let server = start(&[]);
    assert!(
        server.banner().contains(&format!("  console     http://{}/\n", server.console_address())),
        "{}",
        server.banner()
    );
    let me = json(&call(&server, "WhoAmI", "{}"));
    assert_eq!(me, serde_json::json!({ "caller": null, "token_needed": false, "version": env!("CARGO_PKG_VERSION") }));
}

#[test]
fn wrong_settings_are_refused_in_one_line() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let files = Certificates::new();
    let [certificate, key] = ["server.pem", "server-key.pem"].map(|file| files.name(file));
    let pair = ["--tls-certificate", &certificate, "--tls-key", &key];
    let with_tls = |address| [&["--console-listen", address], &pair[..]].concat();
    let loopback = ["--console-listen", "127.0.0.1:0"];
    let cases = [
        (vec!["--console-listen", "50080"], "console-listen", "\"50080\" is not an address; write HOST:PORT"),
        (
            vec!["--console-listen", "0.0.0.0:0"],
            "console-listen",
            "0.0.0.0:0 is not a loopback address and there is no TLS",
        ),
        (
            vec!["--console-listen", "0.0.0.0:0", "--allow-plaintext"],
            "console-listen",
            "0.0.0.0:0 would serve whoever reaches it; set access-file",
        ),
        (vec!["--console-listen", "tls://127.0.0.1:0"], "console-listen", "needs a certificate and its key"),
        (with_tls("tls://0.0.0.0:0"), "console-listen", "would serve whoever reaches it; set tls-client-ca"),
        (vec!["--console-listen", &taken], "console-listen", "another process listens there"),
        (vec!["--console-hosts", "a.example"], "console-hosts", "there is no console without console-listen"),
        ([&loopback[..], &["--console-hosts", "none,a"]].concat(), "console-hosts", "none stands for no other name"),
        ([&loopback[..], &["--console-hosts", "https://a"]].concat(), "console-hosts", "is not the name of a host"),
        ([&loopback[..], &["--console-hosts", "a:80"]].concat(), "console-hosts", "without a port"),
    ];
    for (flags, setting, problem) in cases {
        let folder = tempfile::tempdir().unwrap();
        let refused = run(binary().current_dir(folder.path()).args(["serve", "--listen", "127.0.0.1:0"]).args(&flags));
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{flags:?}: {refused:?}");
        assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
        assert!(refused.stderr.starts_with(&format!("sessiond: --{setting}: ")), "{refused:?}");
        assert!(refused.stderr.contains(problem), "{refused:?}");
    }
}

#[test]
fn it_can_speak_tls_of_its_own() {
    let files = Certificates::new();
    let [certificate, key] = ["server.pem", "server-key.pem"].map(|file| files.name(file));
    let server = Server::start_with(&[
        "--console-listen",
        "tls://127.0.0.1:0",
        "--tls-certificate",
        &certificate,
        "--tls-key",
        &key,
    ]);
    assert!(server.banner().contains("  console     https://"), "{}", server.banner());
    let ask = |protocol: &str, request: &str| {
        let socket = TcpStream::connect(server.console_address()).unwrap();
        let mut stream = StreamOwned::new(trusting_connection(protocol), socket);
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        // A peer may close without a farewell.
        stream.read_to_string(&mut answer).ok();
        std::io::Result::Ok(answer)
    };
    let own = [&OWN[..], &[("Origin", "https://localhost")]].concat();
    let answer = ask("http/1.1", &request("POST /api/WhoAmI", &own, "{}")).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("token_needed"), "{answer}");
    ask("h2", "PRI * HTTP/2.0\r\n\r\n").unwrap_err();

    let mut plain = connect(server.console_address()).unwrap();
    plain.write_all(request("GET /", &[("Host", "localhost")], "").as_bytes()).unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).ok();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("write https:// before the address"), "{answer}");
}

#[test]
fn with_client_certificates_it_lets_in_no_one_without() {
    let files = Certificates::new();
    let [certificate, key, ca] = ["server.pem", "server-key.pem", "ca.pem"].map(|file| files.name(file));
    let flags = [
        "--console-listen",
        "tls://127.0.0.1:0",
        "--tls-certificate",
        &certificate,
        "--tls-key",
        &key,
        "--tls-client-ca",
        &ca,
    ];
    let server = Server::start_with(&flags);
    let socket = TcpStream::connect(server.console_address()).unwrap();
    let mut stream = StreamOwned::new(trusting_connection("http/1.1"), socket);
    // With TLS 1.3 the refusal comes after the request.
    stream.write_all(request("GET /", &[("Host", "localhost")], "").as_bytes()).ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap_err();
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn it_can_be_a_unix_socket_for_a_proxy() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", folder.path().join("console").display());
    let server = Server::start_with(&["--console-listen", &address, "--console-hosts", "console.example.com"]);
    assert_eq!(server.console_address(), address);
    let page = |host| ask(&address, &request("GET /", &[("Host", host)], "")).unwrap().status;
    assert_eq!((page("console.example.com"), page("evil.example")), (200, 421));
}
