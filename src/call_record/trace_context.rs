//! The trace that a call belongs to, as its caller says: [W3C Trace Context](https://www.w3.org/TR/trace-context/).

use crate::proto;
use std::fmt;
use tonic::codegen::http::{HeaderMap, HeaderValue};

/// The length of a traceparent of version 00, in bytes.
const LENGTH: usize = 55;

/// The longest traceparent of a later version that is looked at, in bytes.
const MAX_LENGTH: usize = 512;

/// The longest tracestate that is kept, in bytes: as many as everybody has to take.
const MAX_STATE_LENGTH: usize = 512;

/// The version that never is one.
const NO_VERSION: u8 = 0xff;

/// The bit of the flags that says that the caller keeps what it knows of the trace.
const SAMPLED: u8 = 1;

/// Which trace a call belongs to. It is no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The caller's span.
    pub parent_id: [u8; 8],
    /// Whether the caller records the trace.
    pub is_sampled: bool,
    /// What tracing systems add; empty if there is nothing, or if it is too long.
    pub state: String,
}

impl TraceContext {
    /// The trace that the headers of a call name. `None` if they name none, or not in the way of W3C: whoever calls without a
    /// trace, or with one that is garbled, is served alike.
    #[must_use]
    pub fn in_headers(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all("traceparent").into_iter();
        let (parent, None) = (parents.next()?, parents.next()) else { return None };
        let mut trace = Self::of_parent(parent.as_bytes())?;
        let states = headers.get_all("tracestate").into_iter();
        trace.keep_state(&states.map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b','));
        Some(trace)
    }

    /// The trace that a call of a stream names.
    #[must_use]
    pub fn in_call(named: &proto::TraceContext) -> Option<Self> {
        let mut trace = Self::of_parent(named.traceparent.as_bytes())?;
        trace.keep_state(named.tracestate.as_bytes());
        Some(trace)
    }

    /// Reads a traceparent: version, trace ID, parent ID and flags, in lower-case hex digits with dashes between them. Later
    /// versions may have more behind another dash.
    fn of_parent(text: &[u8]) -> Option<Self> {
        let (known, more) = text.split_at_checked(LENGTH)?;
        let [version] = bytes(known.get(..2)?)?;
        if version == NO_VERSION || text.len() > MAX_LENGTH {
            return None;
        }
        if !more.is_empty() && (version == 0 || !more.starts_with(b"-")) {
            return None;
        }
        if [2, 35, 52].iter().any(|dash| known.get(*dash) != Some(&b'-')) {
            return None;
        }
        let (trace_id, parent_id) = (bytes(known.get(3..35)?)?, bytes(known.get(36..52)?)?);
        let [flags] = bytes(known.get(53..)?)?;
        if trace_id == [0; 16] || parent_id == [0; 8] {
            return None;
        }
        Some(Self { trace_id, parent_id, is_sampled: flags & SAMPLED != 0, state: String::new() })
    }

    fn keep_state(&mut self, state: &[u8]) {
        let is_printable = state.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
        if state.len() <= MAX_STATE_LENGTH && is_printable {
            self.state = String::from_utf8_lossy(state).into_owned();
        }
    }

    /// The trace ID, as it stands in log lines.
    #[must_use]
    pub fn trace_id(&self) -> String {
        hex(&self.trace_id)
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TraceContext").field(&self.trace_id()).finish()
    }
}

/// Bytes of exactly so many lower-case hex digits.
fn bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let mut bytes = [0; N];
    if pairs.len() != N {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|nibble| char::from_digit(nibble.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(parent: &str) -> Option<TraceContext> {
        TraceContext::of_parent(parent.as_bytes())
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_traceparent_is_read() {
        let trace = of(PARENT).unwrap();
        assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(hex(&trace.parent_id), "00f067aa0ba902b7");
        assert!(trace.is_sampled);
        for (flags, is_sampled) in [("00", false), ("02", false), ("03", true), ("ff", true), ("fe", false)] {
            assert_eq!(of(&format!("{}{flags}", &PARENT[..53])).unwrap().is_sampled, is_sampled, "{flags}");
        }
    }

    #[test]
    fn a_later_version_may_have_more() {
        for more in ["", "-", "-what-comes-later"] {
            assert!(of(&format!("01{}{more}", &PARENT[2..])).is_some(), "{more}");
        }
        assert!(of(&format!("01{}.", &PARENT[2..])).is_none());
        assert!(of(&format!("01{}-{}", &PARENT[2..], "x".repeat(MAX_LENGTH - LENGTH - 1))).is_some());
        assert!(of(&format!("01{}-{}", &PARENT[2..], "x".repeat(MAX_LENGTH - LENGTH))).is_none());
    }

    #[test]
    fn what_is_garbled_names_no_trace() {
        let garbled = [
            "",
            "00",
            &PARENT[..54],
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ];
        for parent in garbled {
            assert_eq!(of(parent), None, "{parent}");
        }
    }

    #[test]
    fn headers_name_one_trace_or_none() {
        assert_eq!(TraceContext::in_headers(&headers(&[])), None);
        assert_eq!(TraceContext::in_headers(&headers(&[("traceparent", PARENT), ("traceparent", PARENT)])), None);
        let states = [("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")];
        assert_eq!(TraceContext::in_headers(&headers(&states)).unwrap().state, "a=1,b=2");
        assert_eq!(TraceContext::in_headers(&headers(&[("tracestate", "a=1")])), None);
    }

    #[test]
    fn a_state_that_is_too_long_or_garbled_is_left_aside() {
        let state = |state: &str| {
            let named = proto::TraceContext { traceparent: PARENT.into(), tracestate: state.into() };
            TraceContext::in_call(&named).unwrap().state
        };
        assert_eq!(state(&"x".repeat(MAX_STATE_LENGTH)).len(), MAX_STATE_LENGTH);
        assert_eq!(state(&"x".repeat(MAX_STATE_LENGTH + 1)), "");
        assert_eq!(state("a=é"), "");
        assert_eq!(state("a=\n"), "");
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(parent in proptest::collection::vec(any::<u8>(), 0..600)) {
            TraceContext::of_parent(&parent);
        }

        #[test]
        fn almost_a_traceparent_is_no_panic(place in 0_usize..55, byte in any::<u8>(), more in ".{0,20}") {
            let mut parent = PARENT.as_bytes().to_vec();
            parent[place] = byte;
            parent.extend(more.as_bytes());
            TraceContext::of_parent(&parent);
        }
    }
}
