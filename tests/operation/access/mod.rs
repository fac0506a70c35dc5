//! Tests of access: who is let in, what each caller may do, how rules and tokens change, and what wrong files are told.

mod callers;
mod command_line;
mod limits;
mod permissions;
mod renewal;
mod settings;

/// Rules with a caller for each kind of permission.
const RULES: &str = r#"
[caller.shop]
certificates = ["app.sessiond.test"]
allow = [{ namespaces = ["shop"], may = ["application"] }]

[caller.ops]
allow = [{ namespaces = ["*"], may = ["operator"] }]

[caller.both]
allow = [{ namespaces = ["*"], may = ["application", "operator"] }]
"#;
