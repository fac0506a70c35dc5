//! Changes of a session's data.

use super::RequestLimits;
use super::bounds::{check_count, check_fits, check_length, in_map, moment_to_millis, to_millis};
use super::principal as checked_principal;
use crate::clock::Millis;
use crate::model::{Attribute, MAX_LABELS};
use crate::proto;
use crate::proto::timeouts::Absolute;
use crate::session::{AbsoluteEnd, Error, MAX_TIMEOUT, SessionChange, Timeouts};
use bytes::Bytes;
use prost_types::Duration;
use std::collections::{BTreeMap, HashMap};

const MAX_LABEL_NAME_BYTES: usize = 64;
const MAX_LABEL_BYTES: usize = 256;

/// The first data of a session is the change that makes it from nothing.
pub(in crate::service) fn first_data(
    attributes: &[Bytes],
    principal: String,
    labels: HashMap<String, String>,
    timeouts: Option<proto::Timeouts>,
    limits: &RequestLimits,
) -> Result<SessionChange, Error> {
    Ok(SessionChange {
        set_attributes: to_attributes("attributes", attributes, limits)?,
        principal: Some(checked_principal("principal", principal)?),
        set_labels: to_labels("labels", labels)?,
        timeouts: to_timeouts("timeouts", timeouts)?,
        ..SessionChange::default()
    })
}

pub(in crate::service) fn change(
    change: Option<proto::SessionChange>,
    limits: &RequestLimits,
) -> Result<SessionChange, Error> {
    let change = change.unwrap_or_default();
    let set_attributes = to_attributes("change.set_attributes", &change.set_attributes, limits)?;
    check_count("change.remove_attributes", change.remove_attributes.len(), limits.max_attributes)?;
    let removed = |attribute: &&Attribute| change.remove_attributes.iter().any(|n| n.as_bytes() == attribute.name());
    if !change.remove_attributes.is_empty() && set_attributes.iter().any(|attribute| removed(&attribute)) {
        return Err(Error::invalid("change.remove_attributes", "must not name an attribute that set_attributes sets"));
    }
    check_count("change.remove_labels", change.remove_labels.len(), MAX_LABELS)?;
    Ok(SessionChange {
        set_attributes,
        remove_attributes: change.remove_attributes,
        clear_attributes: change.clear_attributes,
        principal: change.principal.map(|name| checked_principal("change.principal", name)).transpose()?,
        set_labels: to_labels("change.set_labels", change.set_labels)?,
        remove_labels: change.remove_labels,
        timeouts: to_timeouts("change.timeouts", change.timeouts)?,
    })
}

fn to_attributes(field: &str, entries: &[Bytes], limits: &RequestLimits) -> Result<Vec<Attribute>, Error> {
    check_fits("the number of attributes", entries.len(), limits.max_attributes)?;
    entries
        .iter()
        .map(|entry| {
            let attribute = Attribute::from_wire(entry)
                .map_err(|malformed| Error::invalid(in_map(field, &malformed.name), malformed.cause.to_string()))?;
            check_length(field, "an attribute's name", attribute.name().len(), 1, limits.max_attribute_name_bytes)?;
            Ok(attribute)
        })
        .collect()
}

fn to_labels(field: &str, labels: HashMap<String, String>) -> Result<BTreeMap<String, String>, Error> {
    check_fits("the number of labels", labels.len(), MAX_LABELS)?;
    for (name, value) in &labels {
        check_length(field, "a label's name", name.len(), 1, MAX_LABEL_NAME_BYTES)?;
        check_length(&in_map(field, name), "a label", value.len(), 0, MAX_LABEL_BYTES)?;
    }
    Ok(labels.into_iter().collect())
}

fn to_timeouts(field: &str, timeouts: Option<proto::Timeouts>) -> Result<Option<Timeouts>, Error> {
    let Some(timeouts) = timeouts else {
        return Ok(None);
    };
    let idle = timeouts.idle_timeout.map(|idle| to_timeout(&format!("{field}.idle_timeout"), idle)).transpose()?;
    let absolute = match timeouts.absolute {
        None => None,
        Some(Absolute::AbsoluteTimeout(timeout)) => {
            Some(AbsoluteEnd::After(to_timeout(&format!("{field}.absolute_timeout"), timeout)?))
        }
        Some(Absolute::AbsoluteExpireTime(moment)) => {
            Some(AbsoluteEnd::At(moment_to_millis(moment).ok_or_else(|| {
                Error::invalid(format!("{field}.absolute_expire_time"), "must be a timestamp in the future")
            })?))
        }
    };
    Ok(Some(Timeouts { idle, absolute }))
}

fn to_timeout(field: &str, timeout: Duration) -> Result<Millis, Error> {
    to_millis(timeout)
        .filter(|timeout| (1..=MAX_TIMEOUT).contains(timeout))
        .ok_or_else(|| Error::invalid(field, "must be between 1 ms and 3660 days"))
}
