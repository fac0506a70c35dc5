//! Reads the environment variables, and refuses variables that look like settings but are none.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::args::Settings;
use super::error::{ConfigError, nearest};

/// The prefix of the environment variables of this program.
const PREFIX: &str = "SESSIOND_";

/// Variables of the command line client, the client libraries and the test suites. They are no settings, but no
/// mistakes either.
const OTHER_VARIABLES: &[&str] = &[
    "SESSIOND_ADDR",
    "SESSIOND_BIN",
    "SESSIOND_CONFIG",
    "SESSIOND_CROWD",
    "SESSIOND_HALF_SENT",
    "SESSIOND_HISTORIES",
    "SESSIOND_NAMESPACE",
    "SESSIOND_TIMEOUT",
    "SESSIOND_UNREAD",
];

/// The environment variable of a setting.
pub(super) fn environment_name(name: &str) -> String {
    format!("{PREFIX}{}", name.to_uppercase().replace('-', "_"))
}

/// The variables of this program that are not empty.
pub(super) fn variables(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut variables = BTreeMap::new();
    for (name, value) in environment {
        // A name that is not text is not one of ours.
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        let value =
            value.into_string().map_err(|_| ConfigError::new(name, "the value is not UTF-8; write it as UTF-8"))?;
        if !value.is_empty() {
            variables.insert(name.to_owned(), value);
        }
    }
    Ok(variables)
}

/// The settings among the variables, as name, value and variable; an unknown variable is an error.
pub(super) fn settings(variables: BTreeMap<String, String>) -> Result<Vec<(String, String, String)>, ConfigError> {
    let command = Settings::command();
    let names: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    let mut found = Vec::new();
    for (variable, value) in variables {
        if let Some(name) = names.iter().find(|name| environment_name(name) == variable) {
            found.push(((*name).to_owned(), value, variable));
        } else if !OTHER_VARIABLES.contains(&variable.as_str()) && !is_service_link(&variable, &value) {
            let known = names.iter().map(|name| environment_name(name));
            let known = known.chain(OTHER_VARIABLES.iter().map(|name| (*name).to_owned()));
            let remedy = match nearest(&variable, known) {
                Some(name) => format!("did you mean {name:?}?"),
                None => "unset it, or see sessiond serve --help for the variables".to_owned(),
            };
            return Err(ConfigError::new("environment", format!("unknown variable {variable:?}; {remedy}")));
        }
    }
    Ok(found)
}

/// Whether Kubernetes made this variable. It announces each service of a namespace to every pod there, in the form of
/// Docker links. So a service named sessiond appears as `SESSIOND_SERVICE_HOST`, `SESSIOND_PORT` and so on, and one
/// named sessiond-eu as `SESSIOND_EU_SERVICE_HOST`.
fn is_service_link(variable: &str, value: &str) -> bool {
    let link = |rest: &str| {
        let mut parts = rest.split('_');
        let port = parts.next().is_some_and(|port| port.parse::<u16>().is_ok());
        port && matches!(parts.next(), Some("TCP" | "UDP" | "SCTP"))
    };
    // In SESSIOND_PORT_50051_TCP, the service's name ends at the last _PORT_ before a number.
    let linked = variable.match_indices("_PORT_").any(|(at, separator)| link(&variable[at + separator.len()..]));
    linked
        || variable.ends_with("_SERVICE_HOST")
        || variable.ends_with("_SERVICE_PORT")
        || variable.contains("_SERVICE_PORT_")
        || variable.ends_with("_PORT") && value.contains("://")
}
