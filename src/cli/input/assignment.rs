//! Attributes and labels as arguments: `NAME=VALUE` or a JSON object.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde_json::{Map, Value as Json};
use sessiond_client::json;
use sessiond_client::proto::Value;

use super::exact_json;
use crate::cli::output::units::cut;

/// The most characters of an argument that an error shows.
const LONGEST: usize = 48;

/// One argument that sets attributes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assignment(BTreeMap<String, Value>);

impl Assignment {
    /// All arguments together. Of those that set the same attribute, the last one counts.
    pub(crate) fn merge(assignments: Vec<Self>) -> BTreeMap<String, Value> {
        assignments.into_iter().flat_map(|assignment| assignment.0).collect()
    }
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with('{') {
            let no_object = |error| format!("'{}' is not a JSON object: {error}", short(text));
            let unfit = |problem: &dyn Display| format!("'{}': {problem}", short(text));
            if let Some(Err(problem)) = exact_json::read(text) {
                return Err(unfit(&problem));
            }
            let object: Map<String, Json> = serde_json::from_str(text).map_err(no_object)?;
            return json::attributes_from_json(object).map(Self).map_err(|error| unfit(&error));
        }
        let (name, value) = split(text)?;
        let unfit = |problem: &dyn Display| format!("'{}': {problem}", short(text));
        let value = match exact_json::read(value) {
            Some(json) => {
                let json = json.map_err(|problem| unfit(&problem))?;
                json::from_json(json).map_err(|error| unfit(&error))?
            }
            // What is not JSON is text, so that texts need no extra quotes in a shell.
            None => value.into(),
        };
        Ok(Self(BTreeMap::from([(name.to_owned(), value)])))
    }
}

/// A label, which is always text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label(pub(crate) String, pub(crate) String);

impl FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = split(text)?;
        Ok(Self(name.to_owned(), value.to_owned()))
    }
}

fn split(text: &str) -> Result<(&str, &str), String> {
    match text.split_once('=') {
        None => Err(format!("{:?} has no \"=\"; write NAME=VALUE", short(text))),
        Some(("", _)) => Err(format!("{:?} has no name before the \"=\"; write NAME=VALUE", short(text))),
        Some(parts) => Ok(parts),
    }
}

fn short(text: &str) -> String {
    cut(text.to_owned(), LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(arguments: &[&str]) -> BTreeMap<String, Value> {
        Assignment::merge(arguments.iter().map(|text| text.parse().expect(text)).collect())
    }

    fn one(argument: &str) -> Value {
        attributes(&[argument]).remove("a").expect("an attribute")
    }

    #[test]
    fn a_value_is_json_or_else_text() {
        assert_eq!(one("a=1").as_i64(), Some(1));
        assert_eq!(one("a=1.0").as_f64(), Some(1.0));
        assert_eq!(one("a=true").as_bool(), Some(true));
        assert!(one("a=null").is_null());
        assert_eq!(one("a=dark").as_str(), Some("dark"));
        assert_eq!(one("a=\"1\"").as_str(), Some("1"));
        assert_eq!(one("a=").as_str(), Some(""));
        assert_eq!(one("a=b=c").as_str(), Some("b=c"));
        assert_eq!(one("a=[1,2]").as_list().map(<[Value]>::len), Some(2));
        assert_eq!(one("a={\"$bytes\":\"AAEC\"}").as_bytes().map(AsRef::as_ref), Some([0, 1, 2].as_slice()));
    }

    #[test]
    fn an_object_sets_many_and_the_last_one_wins() {
        let merged = attributes(&["a=1", r#"{"a":2,"b":{"c":3}}"#, "d=4"]);
        assert_eq!(merged.keys().collect::<Vec<_>>(), ["a", "b", "d"]);
        assert_eq!(merged["a"].as_i64(), Some(2));
    }

    #[test]
    fn objects_within_keep_their_order() {
        for argument in [r#"a={"d":1,"c":{"f":2,"e":3}}"#, r#"{"a":{"d":1,"c":{"f":2,"e":3}}}"#] {
            assert_eq!(json::to_json(&one(argument)).to_string(), r#"{"d":1,"c":{"f":2,"e":3}}"#);
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["a", "=1", "{\"a\":", "a={\"$other\":1}", "{\"a\":{\"$bytes\":1}}"] {
            let error = text.parse::<Assignment>().expect_err(text);
            assert!(error.contains(text), "{error}");
        }
        assert_eq!("novalue".parse::<Label>(), Err("\"novalue\" has no \"=\"; write NAME=VALUE".to_owned()));
    }

    #[test]
    fn a_value_that_would_change_is_refused() {
        for (text, problem) in [
            ("big=12345678901234567890", "does not fit into a whole number of 64 bits"),
            (r#"{"big":[12345678901234567890]}"#, "does not fit into a whole number of 64 bits"),
            ("x=1e999", "does not fit into a double"),
            (r#"x="\ud800""#, "half of a surrogate pair"),
            (r#"{"a":1,"a":2}"#, "is given twice"),
            (r#"t={"$timestamp":"2026-01-31T12:00:00"}"#, "with its zone"),
        ] {
            let error = text.parse::<Assignment>().expect_err(text);
            assert!(error.starts_with(&format!("'{text}': ")) && error.contains(problem), "{error}");
        }
        let deep = format!("x={}{}", "[".repeat(1_000), "]".repeat(1_000));
        assert!(deep.parse::<Assignment>().is_err_and(|error| error.contains("too deep")));
        assert_eq!(one("a=\"1e999\"").as_str(), Some("1e999"));
    }

    #[test]
    fn a_label_is_always_text() {
        assert_eq!("device=1".parse(), Ok(Label("device".to_owned(), "1".to_owned())));
    }
}
