//! Checks whether an answer has what a step expects.

use serde_json::{Map, Value};

use crate::run::Run;
use crate::template::{duration, expand_text, nanos};

const MATCHERS: [&str; 6] = ["$present", "$absent", "$not", "$contains", "$near", "$after"];

impl Run {
    /// Tells where an answer is not what is expected; more than that may stand in it.
    pub(crate) fn matches(&self, wanted: &Value, found: Option<&Value>, path: &str) -> Result<(), String> {
        let differs = || Err(format!("{path} is {found:?}, not {wanted}"));
        match wanted {
            Value::Object(fields) => match MATCHERS.into_iter().find(|name| fields.contains_key(*name)) {
                Some(matcher) => self.special(matcher, fields, found, path),
                None => {
                    self.object(fields, found.and_then(Value::as_object).ok_or(format!("{path} is no object"))?, path)
                }
            },
            Value::Array(wanted) => {
                let items = found.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                if items.len() != wanted.len() {
                    return differs();
                }
                let mut pairs = wanted.iter().zip(items).enumerate();
                pairs.try_for_each(|(n, (wanted, item))| self.matches(wanted, Some(item), &format!("{path}[{n}]")))
            }
            Value::String(text) => {
                let wanted = expand_text(text, self.variables())?;
                let found_text = found.and_then(Value::as_str);
                let is_same_time = || nanos(&wanted).is_some_and(|time| found_text.and_then(nanos) == Some(time));
                if found_text == Some(wanted.as_str()) || is_same_time() { Ok(()) } else { differs() }
            }
            // JSON has one kind of number.
            Value::Number(number)
                if number.as_f64().is_some_and(|wanted| found.and_then(Value::as_f64) == Some(wanted)) =>
            {
                Ok(())
            }
            plain if found == Some(plain) => Ok(()),
            _ => differs(),
        }
    }

    fn object(&self, wanted: &Map<String, Value>, found: &Map<String, Value>, path: &str) -> Result<(), String> {
        for (name, wanted) in wanted.iter().filter(|(name, _)| *name != "$only") {
            let name = expand_text(name, self.variables())?;
            self.matches(wanted, found.get(&name), &format!("{path}.{name}"))?;
        }
        match found.keys().find(|name| wanted.contains_key("$only") && !wanted.contains_key(*name)) {
            Some(name) => Err(format!("{path}.{name} is there")),
            None => Ok(()),
        }
    }

    fn special(
        &self,
        matcher: &str,
        wanted: &Map<String, Value>,
        found: Option<&Value>,
        path: &str,
    ) -> Result<(), String> {
        let argument = &wanted[matcher];
        let time = |value: Option<&Value>| value.and_then(Value::as_str).and_then(nanos);
        let holds = match matcher {
            "$present" => found.is_some(),
            "$absent" => found.is_none(),
            "$not" => self.matches(argument, found, path).is_err(),
            "$contains" => {
                let items = found.and_then(Value::as_array).into_iter().flatten();
                items.into_iter().any(|item| self.matches(argument, Some(item), path).is_ok())
            }
            _ => {
                let wanted_time =
                    nanos(&expand_text(argument.as_str().unwrap(), self.variables())?).ok_or("no time")?;
                let within = wanted.get("within").and_then(Value::as_str).and_then(duration);
                time(found).is_some_and(|found| match within {
                    Some(within) => (found - wanted_time).abs() <= within,
                    None => found > wanted_time,
                })
            }
        };
        if holds { Ok(()) } else { Err(format!("{path} is {found:?}; it must be {wanted:?}")) }
    }
}
