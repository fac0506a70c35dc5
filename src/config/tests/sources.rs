//! Tests of where values come from, and how they are shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, Parser};

use crate::engine::Durability;
use crate::session::AtSessionLimit;

use super::super::values::workers;
use super::super::{Effective, EngineKind, Listen, LogFormat, Origin, PolicySettings, ServeArgs, Settings};
use super::{CommandLine, File, Subcommand, load};

fn settings(flags: &str) -> Settings {
    load(flags, &[], None).expect("valid flags").settings
}

fn origin(effective: &Effective, name: &str) -> Origin {
    effective.entries().iter().find(|entry| entry.name == name).expect("a setting").origin.clone()
}

#[test]
fn command_is_sound() {
    CommandLine::command().debug_assert();
    Settings::command().debug_assert();
}

#[test]
fn defaults_are_as_documented() {
    let expected = Settings {
        listen: vec![Listen::Tcp("127.0.0.1:50051".to_owned())],
        metrics_listen: None,
        console_listen: None,
        console_hosts: vec!["none".to_owned()],
        tls_certificate: None,
        tls_key: None,
        tls_client_ca: None,
        tls_client_names: vec!["all".to_owned()],
        access_file: None,
        access_tokens: None,
        allow_anonymous: false,
        socket_mode: 0o600,
        allow_plaintext: false,
        reflection: true,
        engine: EngineKind::Sled,
        data_dir: PathBuf::from("./sessiond-data"),
        encryption_keys: None,
        durability: Durability::Always,
        flush_interval: Duration::from_secs(1),
        touch_interval: Duration::from_secs(5),
        cache_size: 256 << 20,
        min_free_space: 256 << 20,
        stall_timeout: Duration::from_secs(30),
        accept_unmarked_data: false,
        policy: PolicySettings {
            idle_timeout: Duration::from_secs(24 * 3600),
            absolute_timeout: None,
            max_idle_timeout: Duration::from_secs(3660 * 86400),
            max_absolute_timeout: None,
            max_session_size: 256 << 10,
            max_attributes: 1024,
            max_sessions: None,
            max_sessions_per_principal: None,
            at_session_limit: AtSessionLimit::Refuse,
            touch_granularity: Duration::ZERO,
            max_rotation_grace: Duration::from_secs(60),
            event_attributes: false,
            sealed: false,
        },
        sweep_interval: Duration::from_secs(1),
        sweep_lag_limit: Duration::from_secs(60),
        sweep_batch: 64,
        clock_jump_limit: None,
        event_history_age: Duration::from_secs(3600),
        event_history_count: 1_000_000,
        event_history_size: 64 << 20,
        max_message_size: 4 << 20,
        max_header_size: 16 << 10,
        max_connections: 10_000,
        max_connections_per_address: 1_000,
        max_streams_per_connection: 1000,
        max_requests_in_flight: 10_000,
        message_memory: 256 << 20,
        message_memory_per_connection: 64 << 20,
        receive_timeout: Duration::from_secs(10),
        send_timeout: Duration::from_secs(30),
        max_failed_lookups: None,
        max_attribute_name_bytes: 256,
        workers: workers("auto").expect("auto is a number of workers"),
        audit_log: None,
        otlp_endpoint: None,
        otlp_headers: None,
        access_log: false,
        drain_timeout: Duration::from_secs(10),
        log: "info".to_owned(),
        log_format: LogFormat::Auto,
        namespaces: BTreeMap::new(),
    };
    assert_eq!(settings(""), expected);
    assert_eq!(Settings::default(), expected);
    assert_eq!(PolicySettings::default(), expected.policy);
}

#[test]
fn flag_wins_over_environment_over_file_over_default() {
    let file = "log = 'file'\nsweep-batch = 3\nidle-timeout = '3h'";
    let variables = [("SESSIOND_LOG", "environment"), ("SESSIOND_SWEEP_BATCH", "2")];
    let effective = load("--log flag", &variables, Some(file)).expect("valid settings");

    let Settings { log, sweep_batch, policy: PolicySettings { idle_timeout, .. }, drain_timeout, .. } =
        &effective.settings;
    assert_eq!((log.as_str(), *sweep_batch), ("flag", 2));
    assert_eq!((idle_timeout.as_secs(), drain_timeout.as_secs()), (3 * 3600, 10));

    assert_eq!(origin(&effective, "log").to_string(), "flag --log");
    assert_eq!(origin(&effective, "sweep-batch").to_string(), "environment SESSIOND_SWEEP_BATCH");
    assert!(matches!(origin(&effective, "idle-timeout"), Origin::File(path) if path.ends_with("sessiond.toml")));
    assert_eq!(origin(&effective, "drain-timeout").to_string(), "default");
}

#[test]
fn value_equal_to_the_default_keeps_its_origin() {
    let effective = load("--log info", &[], None).expect("valid settings");
    assert_eq!(origin(&effective, "log"), Origin::Flag("--log".to_owned()));
}

#[test]
fn higher_layer_replaces_a_list() {
    let file = "listen = ['127.0.0.1:1', '127.0.0.1:2']";
    let written = |flags, variables: &[_]| {
        let effective = load(flags, variables, Some(file)).expect("valid settings");
        effective.settings.listen.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(written("", &[]), ["127.0.0.1:1", "127.0.0.1:2"]);
    assert_eq!(written("", &[("SESSIOND_LISTEN", "[::1]:3, unix:/run/s")]), ["[::1]:3", "unix:/run/s"]);
    assert_eq!(
        written("--listen localhost:4 --listen unix:s,127.0.0.2:5", &[]),
        ["localhost:4", "unix:s", "127.0.0.2:5"]
    );
}

#[test]
fn empty_variable_is_unset() {
    let effective = load("", &[("SESSIOND_LOG", ""), ("SESSIOND_CONFIG", ""), ("SESSIOND_NOTHING", "")], None);
    assert_eq!(origin(&effective.expect("valid settings"), "log"), Origin::Default);
}

#[test]
fn variable_names_the_file() {
    let file = File::new("log = 'debug'");
    let path = file.path().into_os_string();
    let effective = ServeArgs::default().load_with([("SESSIOND_CONFIG".into(), path)]).expect("valid settings");
    assert_eq!(effective.settings.log, "debug");
}

#[test]
fn subcommand_takes_the_same_flags() {
    let command_line = CommandLine::try_parse_from(["sessiond", "serve", "--log", "debug"]);
    let Ok(CommandLine { command: Some(Subcommand::Serve { args }), .. }) = command_line else {
        panic!("serve is a subcommand");
    };
    assert_eq!(args.load_with([]).expect("valid settings").settings.log, "debug");
}

#[test]
fn bool_flags_take_a_value_or_none() {
    let both = |flags| {
        let Settings { allow_plaintext, reflection, .. } = settings(flags);
        (allow_plaintext, reflection)
    };
    assert_eq!(both("--allow-plaintext --reflection false"), (true, false));
    assert_eq!(both("--allow-plaintext=true --reflection"), (true, true));
    assert_eq!(both("--allow-plaintext=false --reflection=false"), (false, false));
}

#[test]
fn every_setting_has_its_unit() {
    let read =
        settings("--absolute-timeout 30d --cache-size 1GiB --max-session-size 4096 --workers 7 --drain-timeout 0s");
    assert_eq!(read.policy.absolute_timeout, Some(Duration::from_secs(30 * 86400)));
    assert_eq!((read.cache_size, read.policy.max_session_size), (1 << 30, 4096));
    assert_eq!((read.workers, read.drain_timeout), (7, Duration::ZERO));
    let read = settings("--max-sessions-per-principal 5 --at-session-limit end-oldest --event-attributes").policy;
    assert_eq!(read.max_sessions_per_principal, Some(5));
    assert_eq!(read.at_session_limit, AtSessionLimit::EndOldest);
    assert!(read.event_attributes);
    assert_eq!(settings("--listen unix:///run/s").listen, [Listen::Unix("/run/s".into())]);
}

#[test]
fn variables_of_others_are_left_alone() {
    let variables = [
        ("SESSIOND_ADDR", "x"),
        ("SESSIOND_BIN", "x"),
        ("SESSIOND_NAMESPACE", "x"),
        ("SESSIOND_TIMEOUT", "x"),
        ("RUST_LOG", "x"),
        // Kubernetes sets these for services named sessiond and sessiond-eu.
        ("SESSIOND_SERVICE_HOST", "10.0.0.1"),
        ("SESSIOND_SERVICE_PORT", "50051"),
        ("SESSIOND_SERVICE_PORT_GRPC", "50051"),
        ("SESSIOND_PORT", "tcp://10.0.0.1:50051"),
        ("SESSIOND_PORT_50051_TCP", "tcp://10.0.0.1:50051"),
        ("SESSIOND_PORT_50051_TCP_PROTO", "tcp"),
        ("SESSIOND_EU_SERVICE_HOST", "10.0.0.1"),
        ("SESSIOND_EU_PORT_50051_TCP_ADDR", "10.0.0.1"),
    ];
    assert_eq!(load("", &variables, None).map(|effective| effective.settings), Ok(Settings::default()));
}

#[test]
fn table_shows_value_and_origin() {
    let effective = load("--workers 4", &[("SESSIOND_LISTEN", "127.0.0.1:1,unix:s")], None).expect("valid settings");
    let table = effective.table();
    let row = |name| {
        let row = table.lines().find(|line| line.trim_start().starts_with(name)).expect("a row");
        row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
    };
    assert_eq!(row("listen "), ["listen", "127.0.0.1:1,unix:s", "environment SESSIOND_LISTEN"]);
    assert_eq!(row("workers "), ["workers", "4", "flag --workers"]);
    assert_eq!(row("absolute-timeout "), ["absolute-timeout", "none", "default"]);
    let headings: Vec<_> = table.lines().filter(|line| line.ends_with(':')).collect();
    assert_eq!(headings, ["Network:", "Storage:", "Sessions:", "Limits:", "Process:"]);
}

#[test]
fn written_file_gives_the_same_settings() {
    let mut flags =
        String::from("--allow-plaintext --allow-anonymous --listen 0.0.0.0:1,unix:s --reflection=false --workers 3");
    write!(
        flags,
        " --log a='\"\\b --cache-size 16777216 --absolute-timeout 1h --engine memory \
         --max-sessions-per-principal 3 --at-session-limit end-oldest --event-attributes"
    )
    .expect("memory");
    let effective = load(&flags, &[], None).expect("valid settings");
    let text = effective.to_toml();
    let again = load("", &[], Some(&text)).expect("a valid file");
    assert_eq!(again.settings, effective.settings);
    assert_eq!(again.to_toml(), text);
    assert!(again.entries().iter().all(|entry| matches!(entry.origin, Origin::File(_))));

    let defaults = load("", &[], None).expect("valid settings").to_toml();
    assert!(defaults.contains("\nworkers = \"auto\"\n"), "{defaults}");
    assert!(defaults.lines().all(|line| line.chars().count() <= 100), "{defaults}");
}
