//! Tests of refusals and their wording.

use super::super::{Listen, ServeArgs};
use super::load;
use crate::model::{LARGEST_MESSAGE, MAX_ATTRIBUTES, MAX_SESSION_BYTES, message_with};

/// Asserts that these flags are refused with this line.
#[track_caller]
fn refuses(flags: &str, line: &str) {
    assert_eq!(load(flags, &[], None).map(|_| ()), Err(line.to_owned()));
}

#[track_caller]
fn refuses_variable(name: &str, value: &str, line: &str) {
    assert_eq!(load("", &[(name, value)], None).map(|_| ()), Err(line.to_owned()));
}

#[track_caller]
fn refuses_file(text: &str, line: &str) {
    assert_eq!(load("", &[], Some(text)).map(|_| ()), Err(line.to_owned()));
}

#[test]
fn plaintext_beyond_loopback_has_to_be_allowed() {
    let local = ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "LocalHost:1", "unix:/run/s"];
    for address in local {
        assert!(load(&format!("--listen {address}"), &[], None).is_ok(), "{address}");
    }
    for address in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "example.com:1", "localhost.example.com:1"] {
        refuses(
            &format!("--listen 127.0.0.1:1,{address}"),
            &format!(
                "--listen: {address} is not a loopback address and there is no TLS; listen on 127.0.0.1, on \
                 tls://HOST:PORT or on unix:PATH, or set --allow-plaintext if every host of the network is trusted"
            ),
        );
        assert!(
            load(&format!("--allow-plaintext --allow-anonymous --listen {address}"), &[], None).is_ok(),
            "{address}"
        );
    }
}

#[test]
fn scrapes_beyond_loopback_have_to_be_allowed_in_the_same_words() {
    for address in ["none", "127.0.0.1:1", "[::1]:1", "localhost:1", "unix:/run/s"] {
        assert!(load(&format!("--metrics-listen {address}"), &[], None).is_ok(), "{address}");
    }
    for address in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "example.com:1"] {
        let problem = format!(
            "{address} is not a loopback address and there is no TLS; listen on 127.0.0.1 or on unix:PATH, or set \
             --allow-plaintext if every host of the network is trusted"
        );
        refuses(&format!("--metrics-listen {address}"), &format!("--metrics-listen: {problem}"));
        refuses_variable("SESSIOND_METRICS_LISTEN", address, &format!("SESSIOND_METRICS_LISTEN: {problem}"));
        assert!(load(&format!("--allow-plaintext --metrics-listen {address}"), &[], None).is_ok(), "{address}");
    }
    refuses(
        "--metrics-listen 9464",
        "--metrics-listen: \"9464\" is not an address; write HOST:PORT, for example 127.0.0.1:50051 or [::1]:50051, or \
         unix:PATH",
    );
}

#[test]
fn a_console_beyond_loopback_needs_what_calls_need() {
    for address in ["none", "127.0.0.1:1", "[::1]:1", "localhost:1", "unix:/run/s"] {
        assert!(load(&format!("--console-listen {address}"), &[], None).is_ok(), "{address}");
    }
    refuses(
        "--console-listen 0.0.0.0:1",
        "--console-listen: 0.0.0.0:1 is not a loopback address and there is no TLS; listen on 127.0.0.1, on \
         tls://HOST:PORT or on unix:PATH, or set --allow-plaintext if every host of the network is trusted",
    );
    let tls = "--tls-certificate /c --tls-key /k --console-listen tls://0.0.0.0:1";
    refuses(
        tls,
        "--console-listen: tls://0.0.0.0:1 would serve whoever reaches it; set tls-client-ca to the CA of the clients, or \
         access-file to say who may call, or set --allow-anonymous if only trusted hosts can reach it",
    );
    for asking in ["--access-file /a", "--tls-client-ca /ca", "--allow-anonymous"] {
        assert!(load(&format!("{tls} {asking}"), &[], None).is_ok(), "{asking}");
    }
}

#[test]
fn addresses_with_tls_are_addresses_behind_tls() {
    let parsed = |text: &str| text.parse::<Listen>();
    assert_eq!(parsed("tls://[::1]:1").unwrap(), Listen::Tls("[::1]:1".into()));
    assert_eq!(parsed("tls://[::1]:1").unwrap().to_string(), "tls://[::1]:1");
    for wrong in ["tls://", "tls://x", "tls://:1", "tls:x:1", "TLS://x:1", "tls://unix:/s", "https://x:1"] {
        assert!(parsed(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn address_has_host_and_port() {
    for address in ["x", ":1", "host:", "host:+1", "host:65536", "::1:1", "[::1]", "[x]:1", "http://host:1", "a b:1"] {
        assert!(address.parse::<Listen>().is_err(), "{address}");
    }
    assert!("unix:".parse::<Listen>().is_err());
    assert!(format!("unix:/{}", "x".repeat(106)).parse::<Listen>().is_ok());
    assert!(format!("unix:/{}", "x".repeat(107)).parse::<Listen>().is_err());
}

#[test]
fn bounds_belong_to_the_allowed() {
    let bounds = [
        ("flush-interval", "9ms 10ms 60s 61s"),
        ("touch-interval", "99ms 100ms 5m 301s"),
        ("stall-timeout", "4s 5s 10m 601s"),
        ("sweep-interval", "99ms 100ms 10m 601s"),
        ("sweep-lag-limit", "999ms 1s 1d 86401s"),
        ("clock-jump-limit", "59s 1m 3660d 3661d"),
        ("sweep-batch", "0 1 10000 10001"),
        ("idle-timeout", "999us 1ms 3660d 3661d"),
        ("absolute-timeout", "999us 1ms 3660d 3661d"),
        ("max-idle-timeout", "999us 24h 3660d 3661d"),
        ("max-absolute-timeout", "999us 1ms 3660d 3661d"),
        ("max-sessions-per-principal", "0 1 100000 100001"),
        ("touch-granularity", "-1s 0s 1h 3601s"),
        ("max-rotation-grace", "-1s 0s 60s 61s"),
        ("event-history-age", "999ms 1s 90d 91d"),
        ("event-history-count", "999 1000 1000000000 1000000001"),
        ("drain-timeout", "-1s 0s 10m 601s"),
        ("workers", "0 1 256 257"),
        ("max-message-size", "65535 512KiB 64MiB 65MiB"),
        ("max-header-size", "1023 1KiB 1MiB 1025KiB"),
        ("max-session-size", "1023 1KiB 3MiB 5MiB"),
        ("max-attributes", "0 1 65536 65537"),
        ("max-attribute-name-bytes", "0 1 1024 1025"),
        ("cache-size", "1048575 1MiB 1TiB 99999EiB"),
        ("max-connections", "0 1 4294967295 4294967296"),
        ("max-connections-per-address", "0 1 4294967295 4294967296"),
        ("max-streams-per-connection", "0 1 4294967295 4294967296"),
        ("max-requests-in-flight", "0 1 4294967295 4294967296"),
    ];
    for (name, values) in bounds {
        let allowed: Vec<_> =
            values.split(' ').map(|value| load(&format!("--{name}={value}"), &[], None).is_ok()).collect();
        assert_eq!(allowed, [false, true, true, false], "{name}");
    }
}

#[test]
fn errors_of_flags() {
    refuses(
        "--sweep-interval parsecs",
        r#"--sweep-interval: "parsecs" is not a duration; write for example 500ms, 30s, 5m or 2h"#,
    );
    refuses("--sweep-batch 0", "--sweep-batch: 0 is below the allowed 1; write a value from 1 to 10000");
    refuses(
        "--max-failed-lookups 0",
        "--max-failed-lookups: 0 is below the allowed 1; write a value from 1 to 1000000, or none",
    );
    refuses("--cache-size 1KiB", "--cache-size: 1KiB is below the allowed 1MiB; write 1MiB or more");
    refuses("--cache-size big", r#"--cache-size: "big" is not a size; write for example 4096, 16KiB or 256MiB"#);
    refuses("--sweep-batch many", r#"--sweep-batch: "many" is not a whole number; write for example 1000"#);
    refuses("--max-connections 99999999999", "--max-connections: 99999999999 is too large; write a smaller number");
    refuses("--workers x", r#"--workers: "x" is neither a whole number nor auto; write for example 4, or auto"#);
    refuses(
        "--absolute-timeout never",
        r#"--absolute-timeout: "never" is neither a duration nor none; write for example 12h or 30d, or none"#,
    );
    for number in ["many", "-1", ""] {
        refuses(
            &format!("--max-sessions-per-principal={number}"),
            &format!(
                "--max-sessions-per-principal: {number:?} is neither a whole number nor none; write for example 10, or \
                 none"
            ),
        );
    }
    refuses("--at-session-limit queue", r#"--at-session-limit: "queue" is not known; write one of refuse, end-oldest"#);
    refuses(
        "--listen 50051",
        "--listen: \"50051\" is not an address; write HOST:PORT, for example 127.0.0.1:50051 or [::1]:50051, or unix:PATH",
    );
    refuses("--log=", "--log: the value is empty; write one, or leave the setting out");
    refuses("--engine slad", r#"--engine: "slad" is not known; did you mean "sled"?"#);
    refuses("--engine redis", r#"--engine: "redis" is not known; write one of sled, memory"#);
    refuses("--reflection no", r#"--reflection: "no" is not known; write one of true, false"#);
    refuses("--durability", "--durability: a value is missing; write one of always, interval, none");
    refuses("--log", "--log: a value is missing; write --log <FILTER>");
    refuses("--log a --log b", "the argument '--log <FILTER>' cannot be used multiple times; see --help");
    refuses("--lisen x", r#"unknown flag "--lisen"; did you mean "--listen"?"#);
    refuses("--data_dir x", r#"unknown flag "--data_dir"; did you mean "--data-dir"?"#);
    refuses("serv", r#"unknown command "serv"; did you mean "serve"?"#);
    refuses("serve x", r#"unexpected argument "x"; see --help"#);
}

#[test]
fn errors_of_variables() {
    refuses_variable(
        "SESSIOND_IDLE_TIMEOUT",
        "a day",
        r#"SESSIOND_IDLE_TIMEOUT: "a day" is not a duration; write for example 500ms, 30s, 5m or 2h"#,
    );
    refuses_variable(
        "SESSIOND_WORKERS",
        "300",
        "SESSIOND_WORKERS: 300 is above the allowed 256; write a value from 1 to 256",
    );
    refuses_variable(
        "SESSIOND_LISTN",
        "x",
        r#"environment: unknown variable "SESSIOND_LISTN"; did you mean "SESSIOND_LISTEN"?"#,
    );
    refuses_variable(
        "SESSIOND_PORT",
        "50051",
        r#"environment: unknown variable "SESSIOND_PORT"; unset it, or see sessiond serve --help for the variables"#,
    );
    refuses_variable(
        "SESSIOND_CONFIG",
        "/absent/sessiond.toml",
        "SESSIOND_CONFIG: cannot read \"/absent/sessiond.toml\": No such file or directory (os error 2); \
         name a TOML file that this user may read",
    );
}

#[test]
fn errors_of_the_file() {
    refuses_file("data_dir = 'x'", r#"sessiond.toml: unknown key "data_dir"; did you mean "data-dir"?"#);
    refuses_file("x = 1", r#"sessiond.toml: unknown key "x"; sessiond config --toml writes a file with every key"#);
    refuses_file(
        "[server]\nlog = 'info'",
        "sessiond.toml: unknown table [server]; write settings at the top level; the only tables are \
         [namespaces.NAME]",
    );
    refuses_file("log = 'a'\n\nlog = 'b'", "sessiond.toml: line 3 is not valid TOML: duplicate key");
    refuses_file(
        "max-session-size = '8MiB'",
        "max-session-size (file sessiond.toml): 8MiB is above the allowed 4MiB; write a value from 1KiB to 4MiB",
    );
    refuses_file("log = \"\"", "log (file sessiond.toml): the value is empty; write one, or leave the setting out");
    refuses_file(
        "listen = []",
        "listen (file sessiond.toml): the list is empty; write at least one value, or leave the key out",
    );
    refuses_file("workers = '4'", "workers (file sessiond.toml): a string is not a number; write 4 without quotes");
}

#[test]
fn wrong_types_in_the_file() {
    let wrong = |line: &str, problem: &str| {
        let (name, _) = line.split_once(' ').expect("name = value");
        refuses_file(line, &format!("{name} (file sessiond.toml): {problem}"));
    };
    wrong("idle-timeout = 5", r#"an integer is the wrong type; write text in quotes (the default is "24h")"#);
    wrong(
        "reflection = 'true'",
        "a string is the wrong type; write true or false, without quotes (the default is true)",
    );
    wrong("sweep-batch = 1.5", "a float is the wrong type; write a whole number (the default is 64)");
    wrong("engine = ['sled']", r#"a list is the wrong type; write text in quotes (the default is "sled")"#);
    wrong("log = {}", r#"a table is the wrong type; write text in quotes (the default is "info")"#);
    wrong(
        "cache-size = true",
        "a boolean is the wrong type; write a size in quotes, for example \"16MiB\", or a whole number of bytes \
         (the default is \"256MiB\")",
    );
}

#[test]
fn session_has_to_fit_into_a_message() {
    refuses(
        "--max-session-size 2MiB --max-message-size 2MiB",
        "--max-session-size: a session of 2MiB with 1024 attributes takes up to 2111039 bytes of a message, and \
         max-message-size is 2MiB; lower max-session-size or max-attributes, or raise max-message-size",
    );
    // Such a session could be stored but never read.
    refuses(
        "--max-session-size 4194303B",
        "--max-session-size: a session of 4194303B with 1024 attributes takes up to 4208190 bytes of a message, and \
         max-message-size is 4MiB; lower max-session-size or max-attributes, or raise max-message-size",
    );
    let largest = (4 << 20) - message_with(0, 1024);
    assert!(load(&format!("--max-session-size {largest}"), &[], None).is_ok());
    assert!(load(&format!("--max-session-size {}", largest + 1), &[], None).is_err());
    // Attributes take space, too.
    refuses(
        "--max-attributes 65536 --max-message-size 512KiB",
        "--max-attributes: a session of 256KiB with 65536 attributes takes up to 598591 bytes of a message, and \
         max-message-size is 512KiB; lower max-session-size or max-attributes, or raise max-message-size",
    );
    // The one that somebody set is named.
    refuses_variable(
        "SESSIOND_MAX_MESSAGE_SIZE",
        "64KiB",
        "SESSIOND_MAX_MESSAGE_SIZE: a session of 256KiB with 1024 attributes takes up to 276031 bytes of a message, and \
         max-message-size is 64KiB; lower max-session-size or max-attributes, or raise max-message-size",
    );
}

#[test]
fn no_setting_allows_more_than_can_be_sent() {
    let largest =
        format!("--max-message-size 64MiB --max-session-size {MAX_SESSION_BYTES} --max-attributes {MAX_ATTRIBUTES}");
    assert_eq!(load(&largest, &[], None).unwrap().settings.session_message_size(), LARGEST_MESSAGE);
    for (name, bound) in [("max-session-size", MAX_SESSION_BYTES), ("max-attributes", MAX_ATTRIBUTES)] {
        assert!(load(&format!("--max-message-size 64MiB --{name} {}", bound + 1), &[], None).is_err(), "{name}");
    }
}

#[test]
fn a_message_has_to_fit_into_its_memory() {
    refuses(
        "--max-message-size 4MiB --message-memory-per-connection 2MiB",
        "--max-message-size: 4MiB is above the message-memory-per-connection of 2MiB; lower max-message-size or raise \
         message-memory-per-connection",
    );
    refuses_variable(
        "SESSIOND_MESSAGE_MEMORY",
        "8MiB",
        "SESSIOND_MESSAGE_MEMORY: 8MiB is below the message-memory-per-connection of 64MiB; lower \
         message-memory-per-connection or raise message-memory",
    );
    let allowed = "--max-message-size 64MiB --message-memory-per-connection 64MiB --message-memory 64MiB";
    assert!(load(allowed, &[], None).is_ok());
}

#[test]
fn default_timeout_has_to_be_allowed() {
    refuses(
        "--idle-timeout 2h --max-idle-timeout 1h",
        "--idle-timeout: 2h is above the max-idle-timeout of 1h; lower idle-timeout or raise max-idle-timeout",
    );
    // The one that somebody set is named.
    refuses_variable(
        "SESSIOND_MAX_IDLE_TIMEOUT",
        "1h",
        "SESSIOND_MAX_IDLE_TIMEOUT: 1h is below the idle-timeout of 24h; lower idle-timeout or raise max-idle-timeout",
    );
    refuses_file(
        "absolute-timeout = '2d'\nmax-absolute-timeout = '1d'",
        "absolute-timeout (file sessiond.toml): 2d is above the max-absolute-timeout of 1d; lower absolute-timeout or \
         raise max-absolute-timeout",
    );
    for allowed in [
        "--idle-timeout 1h --max-idle-timeout 60m",
        "--absolute-timeout 1d --max-absolute-timeout 24h",
        "--max-absolute-timeout 1h",
        "--absolute-timeout 1h",
    ] {
        assert!(load(allowed, &[], None).is_ok(), "{allowed}");
    }
}

#[test]
fn errors_are_one_line() {
    let args = ServeArgs { config: Some("a\nb.toml".into()), ..ServeArgs::default() };
    let line = args.load_with([]).expect_err("an absent file").to_string();
    assert!(!line.contains('\n'), "{line}");
    let line = load("", &[("SESSIOND_SWEEP_BATCH", "0\n")], None).expect_err("below its bound");
    assert!(!line.contains('\n'), "{line}");
    let late = load("", &[("SESSIOND_LOG", "x=")], None).expect("any text").refuse("log", "bad filter\nat 2");
    assert_eq!(late.to_string(), "SESSIOND_LOG: bad filter at 2");
}

#[test]
fn a_collector_is_a_url_with_a_port() {
    for url in ["none", "http://localhost:4317", "https://collector.example.com:4317/", "http://[::1]:4317"] {
        assert!(load(&format!("--otlp-endpoint {url}"), &[], None).is_ok(), "{url}");
    }
    let form = "write http://HOST:PORT, https://HOST:PORT or none";
    for url in
        ["localhost:4317", "ftp://h:1", "http://h", "http://h:0", "http://h:1/v1/traces", "http://:1", "http://a b:1"]
    {
        refuses_variable(
            "SESSIOND_OTLP_ENDPOINT",
            url,
            &format!("SESSIOND_OTLP_ENDPOINT: it is no address of a collector; {form}"),
        );
    }
    refuses_variable(
        "SESSIOND_OTLP_ENDPOINT",
        "http://user:word@h:1",
        &format!("SESSIOND_OTLP_ENDPOINT: it names a user; {form}"),
    );
    refuses_variable(
        "SESSIOND_OTLP_HEADERS",
        "headers",
        "SESSIOND_OTLP_HEADERS: there is no collector that gets headers; name one with otlp-endpoint, or leave this out",
    );
}
