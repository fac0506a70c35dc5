//! Tests of the policies of namespaces: what they set, what they inherit, how they are shown, and what is refused.

use std::time::Duration;

use super::super::{Effective, PolicySettings};
use super::load;
use crate::session::AtSessionLimit;

fn with_file(text: &str) -> Effective {
    load("", &[], Some(text)).expect("valid settings")
}

#[track_caller]
fn refuses(text: &str, line: &str) {
    assert_eq!(load("", &[], Some(text)).map(|_| ()), Err(line.to_owned()));
}

const EVERY_KEY: &str = r#"
[namespaces."eu.shop"]
idle-timeout = "30m"
absolute-timeout = "12h"
max-idle-timeout = "1h"
max-absolute-timeout = "1d"
max-session-size = "64KiB"
max-attributes = 10
max-sessions-per-principal = 5
at-session-limit = "end-oldest"
touch-granularity = "10s"
max-rotation-grace = "0s"
event-attributes = true
sealed = true
"#;

fn every_key() -> PolicySettings {
    PolicySettings {
        idle_timeout: Duration::from_secs(1800),
        absolute_timeout: Some(Duration::from_secs(12 * 3600)),
        max_idle_timeout: Duration::from_secs(3600),
        max_absolute_timeout: Some(Duration::from_secs(86400)),
        max_session_size: 64 << 10,
        max_attributes: 10,
        max_sessions: None,
        max_sessions_per_principal: Some(5),
        at_session_limit: AtSessionLimit::EndOldest,
        touch_granularity: Duration::from_secs(10),
        max_rotation_grace: Duration::ZERO,
        event_attributes: true,
        sealed: true,
    }
}

#[test]
fn every_key_can_be_overridden() {
    let settings = with_file(EVERY_KEY).settings;
    assert_eq!(settings.policy, PolicySettings::default());
    assert_eq!(settings.namespaces["eu.shop"], every_key());
}

#[test]
fn what_a_namespace_leaves_out_is_as_at_the_top_level() {
    let file = "idle-timeout = '1h'\nmax-attributes = 5\n[namespaces.shop]\nmax-attributes = 6\n[namespaces.0_a-b]";
    let variables = [("SESSIOND_TOUCH_GRANULARITY", "7s"), ("SESSIOND_MAX_ATTRIBUTES", "8")];
    let effective = load("--idle-timeout 2h --event-attributes", &variables, Some(file)).expect("valid settings");
    let top = PolicySettings {
        idle_timeout: Duration::from_secs(2 * 3600),
        max_attributes: 8,
        touch_granularity: Duration::from_secs(7),
        event_attributes: true,
        ..PolicySettings::default()
    };
    let shop = PolicySettings { max_attributes: 6, ..top.clone() };
    let namespaces = [("0_a-b".to_owned(), top.clone()), ("shop".to_owned(), shop)];
    assert_eq!(effective.settings.namespaces, namespaces.into());
    assert_eq!(effective.settings.policy, top);
}

#[test]
fn namespace_can_take_a_limit_away() {
    let file = "absolute-timeout = '1h'\nmax-sessions-per-principal = 3\nevent-attributes = true\n\
                namespaces.a = { absolute-timeout = 'none', max-sessions-per-principal = 'none' }\n\
                namespaces.b.event-attributes = false";
    let namespaces = with_file(file).settings.namespaces;
    assert_eq!(namespaces["a"].absolute_timeout, None);
    assert_eq!(namespaces["a"].max_sessions_per_principal, None);
    assert!(namespaces["a"].event_attributes);
    assert!(!namespaces["b"].event_attributes);
    assert_eq!(namespaces["b"].max_sessions_per_principal, Some(3));
}

#[test]
fn names_follow_the_rule_of_namespaces() {
    let longest = "x".repeat(63);
    for name in ["a", "0", "a.b", "a-b_c.", longest.as_str()] {
        let effective = with_file(&format!("[namespaces.\"{name}\"]"));
        assert!(effective.settings.namespaces.contains_key(name), "{name}");
    }
    let too_long = "x".repeat(64);
    for name in ["", "Shop", "-a", ".a", "_a", "a b", "ä", "a/b", too_long.as_str()] {
        refuses(
            &format!("[namespaces.\"{name}\"]"),
            &format!(
                "namespaces (file sessiond.toml): {name:?} is not a name for a namespace; write 1 to 63 characters \
                 from a-z, 0-9, '-', '_' and '.', the first a letter or digit"
            ),
        );
    }
}

#[test]
fn unknown_keys() {
    refuses(
        "[namespaces.shop]\nidle-timout = '1h'",
        r#"sessiond.toml: unknown key namespaces.shop.idle-timout; did you mean "idle-timeout"?"#,
    );
    refuses(
        "[namespaces.\"eu.shop\"]\nmax_attributes = 1",
        r#"sessiond.toml: unknown key namespaces."eu.shop".max_attributes; did you mean "max-attributes"?"#,
    );
    refuses(
        "[namespaces.shop]\nx = 1",
        "sessiond.toml: unknown key namespaces.shop.x; a namespace can have idle-timeout, absolute-timeout, \
         max-idle-timeout, max-absolute-timeout, max-session-size, max-attributes, max-sessions, \
         max-sessions-per-principal, \
         at-session-limit, touch-granularity, max-rotation-grace, event-attributes, \
         sealed",
    );
    refuses(
        "[namespaces.eu.shop]\nidle-timeout = '1h'",
        r#"sessiond.toml: unknown key namespaces.eu.shop; quote a namespace with a dot: [namespaces."eu.shop"]"#,
    );
    refuses(
        "[namespace.shop]\nidle-timeout = '1h'",
        r#"sessiond.toml: unknown key "namespace"; did you mean "namespaces"?"#,
    );
}

#[test]
fn only_policies_can_be_set_per_namespace() {
    for key in ["log = 'info'", "max-message-size = '1MiB'", "sweep-batch = 1"] {
        let (name, _) = key.split_once(' ').expect("name = value");
        refuses(
            &format!("[namespaces.shop]\n{key}"),
            &format!(
                "namespaces.shop.{name} (file sessiond.toml): can't be set per namespace; move it to the top level, \
                 above the first table"
            ),
        );
    }
}

#[test]
fn wrong_types() {
    refuses(
        "namespaces = 'shop'",
        "namespaces (file sessiond.toml): a string is the wrong type; write a table for each namespace, such as \
         [namespaces.shop]",
    );
    refuses(
        "[[namespaces]]",
        "namespaces (file sessiond.toml): a list is the wrong type; write a table for each namespace, such as \
         [namespaces.shop]",
    );
    refuses(
        "[namespaces]\nidle-timeout = '1h'",
        "namespaces.idle-timeout (file sessiond.toml): a string is the wrong type; the policy of a namespace is a \
         table, such as [namespaces.shop]",
    );
    refuses(
        "[namespaces.shop]\nmax-attributes = '5'",
        "namespaces.shop.max-attributes (file sessiond.toml): a string is not a number; write 5 without quotes",
    );
    refuses(
        "[namespaces.shop]\nidle-timeout = 5",
        "namespaces.shop.idle-timeout (file sessiond.toml): an integer is the wrong type; write text in quotes (the \
         default is \"24h\")",
    );
}

#[test]
fn values_are_judged_as_at_the_top_level() {
    refuses(
        "[namespaces.shop]\nidle-timeout = 'a day'",
        "namespaces.shop.idle-timeout (file sessiond.toml): \"a day\" is not a duration; write for example 500ms, 30s, \
         5m or 2h",
    );
    refuses(
        "[namespaces.\"a.b\"]\nmax-attributes = 0",
        "namespaces.\"a.b\".max-attributes (file sessiond.toml): 0 is below the allowed 1; write a value from 1 \
         to 65536",
    );
    refuses(
        "[namespaces.shop]\nat-session-limit = 'end-oldst'",
        "namespaces.shop.at-session-limit (file sessiond.toml): \"end-oldst\" is not known; did you mean \
         \"end-oldest\"?",
    );
}

#[test]
fn settings_of_a_namespace_have_to_go_together() {
    refuses(
        "max-message-size = '512KiB'\n[namespaces.shop]\nmax-session-size = '1MiB'",
        "namespaces.shop.max-session-size (file sessiond.toml): a session of 1MiB with 1024 \
         attributes takes up to 1062463 bytes of a message, and max-message-size is 512KiB; lower max-session-size or \
         max-attributes, or raise max-message-size",
    );
    refuses(
        "max-message-size = '512KiB'\n[namespaces.shop]\nmax-attributes = 65536",
        "namespaces.shop.max-attributes (file sessiond.toml): a session of 256KiB with 65536 attributes takes up to 598591 \
         bytes of a message, and max-message-size is 512KiB; lower max-session-size or max-attributes, or raise \
         max-message-size",
    );
    refuses(
        "[namespaces.shop]\nmax-idle-timeout = '1h'",
        "namespaces.shop.max-idle-timeout (file sessiond.toml): 1h is below the idle-timeout of 24h; lower \
         idle-timeout or raise max-idle-timeout",
    );
    refuses(
        "idle-timeout = '1h'\nmax-idle-timeout = '2h'\n[namespaces.shop]\nidle-timeout = '3h'",
        "namespaces.shop.idle-timeout (file sessiond.toml): 3h is above the max-idle-timeout of 2h; lower \
         idle-timeout or raise max-idle-timeout",
    );
    refuses(
        "absolute-timeout = '12h'\n[namespaces.shop]\nmax-absolute-timeout = '1h'",
        "namespaces.shop.max-absolute-timeout (file sessiond.toml): 1h is below the absolute-timeout of 12h; lower \
         absolute-timeout or raise max-absolute-timeout",
    );
    // Both are stricter at the top level, and both are replaced.
    let file = "idle-timeout = '1h'\nmax-idle-timeout = '2h'\n[namespaces.shop]\nidle-timeout = '3h'\n\
                max-idle-timeout = '4h'";
    assert!(load("", &[], Some(file)).is_ok());
}

#[test]
fn table_shows_what_a_namespace_has_for_itself() {
    let file = "log = 'debug'\n[namespaces.shop]\nmax-attributes = 5\nidle-timeout = '1h'\n[namespaces.\"a.b\"]\n\
                at-session-limit = 'end-oldest'";
    let table = with_file(file).table();
    let (_, namespaces) = table.split_once("\n\nNamespace ").expect("namespaces come last");
    let words: Vec<Vec<_>> = namespaces.lines().map(|line| line.split_whitespace().collect()).collect();
    let origin = words[1][3];
    assert!(origin.ends_with("sessiond.toml"), "{table}");
    let expected = [
        vec!["a.b,", "otherwise", "as", "above:"],
        vec!["at-session-limit", "end-oldest", "file", origin],
        vec![],
        vec!["Namespace", "shop,", "otherwise", "as", "above:"],
        vec!["idle-timeout", "1h", "file", origin],
        vec!["max-attributes", "5", "file", origin],
    ];
    assert_eq!(words, expected, "{table}");
    // The whole table has one column of values.
    let column = |row: &str, value: &str| {
        let line = table.lines().rfind(|line| line.trim_start().starts_with(row));
        line.and_then(|line| line.find(value))
    };
    assert_eq!(column("log ", "debug"), column("max-attributes ", "5"));
}

#[test]
fn written_file_gives_the_same_policies() {
    let file = format!("max-attributes = 7\n{EVERY_KEY}\n[namespaces.default]\n[namespaces.shop]\nmax-attributes = 8");
    let effective = load("--idle-timeout 2h", &[], Some(&file)).expect("valid settings");
    let text = effective.to_toml();
    let again = with_file(&text);
    assert_eq!(again.settings, effective.settings);
    assert_eq!(again.to_toml(), text);
    assert!(text.contains(EVERY_KEY), "{text}");
    assert!(text.ends_with("\n\n[namespaces.shop]\nmax-attributes = 8\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}
