//! A call as spans: its attributes are those of OpenTelemetry's conventions for RPC, and the notes that the access line tells.

use super::EndedCall;
use crate::proto::admin_server::SERVICE_NAME as ADMIN;
use crate::proto::session_store_server::SERVICE_NAME as STORE;
use crate::service::Rpc;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use std::time::{Duration, SystemTime};
use tonic::Code;
use tonic_health::pb::health_server::SERVICE_NAME as HEALTH;

/// The flags of a span: its trace is sampled, and its parent is in another process.
const SAMPLED: u32 = 1;
const PARENT_IS_KNOWN_TO_BE: u32 = 0x100;
const REMOTE: u32 = 0x200;

impl EndedCall {
    /// How many spans it has.
    pub(super) fn spans(&self) -> u64 {
        1 + u64::from(self.notes.engine.is_some())
    }
}

/// The spans of these calls. The error is that there are no random numbers for their IDs.
pub(super) fn request_of(calls: impl Iterator<Item = EndedCall>) -> Result<ExportTraceServiceRequest, String> {
    let mut spans = Vec::new();
    for call in calls {
        add(&call, &mut spans).map_err(|error| format!("there are no random numbers ({error})"))?;
    }
    let (name, version) = ("sessiond", env!("CARGO_PKG_VERSION"));
    let scope = InstrumentationScope { name: name.into(), version: version.into(), ..InstrumentationScope::default() };
    let attributes = vec![text("service.name", name), text("service.version", version)];
    let resource = Some(Resource { attributes, ..Resource::default() });
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, schema_url: String::new() }];
    let resource_spans = vec![ResourceSpans { resource, scope_spans, schema_url: String::new() }];
    Ok(ExportTraceServiceRequest { resource_spans })
}

fn add(call: &EndedCall, spans: &mut Vec<Span>) -> Result<(), getrandom::Error> {
    let (beginning, notes, trace) = (&call.beginning, &call.notes, &call.trace);
    let began = call.ended.checked_sub(call.took).unwrap_or(SystemTime::UNIX_EPOCH);
    let span_id = new_id()?;
    if let Some((engine_began, took)) = notes.engine {
        let after = engine_began.saturating_duration_since(beginning.began);
        spans.push(Span {
            trace_id: trace.trace_id.into(),
            span_id: new_id()?,
            parent_span_id: span_id.clone(),
            trace_state: trace.state.clone(),
            flags: SAMPLED | PARENT_IS_KNOWN_TO_BE,
            name: "engine".into(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: nanos(began + after),
            end_time_unix_nano: nanos(began + after + took),
            ..Span::default()
        });
    }
    let (service, method) = names(beginning.rpc);
    let mut attributes = vec![text("rpc.system", "grpc")];
    attributes.extend(service.map(|service| text("rpc.service", service)));
    attributes.push(text("rpc.method", method));
    attributes.push(number("rpc.grpc.status_code", call.code as i64));
    attributes.push(text("sessiond.lane", beginning.lane.name()));
    attributes.extend(notes.caller.as_deref().map(|caller| text("sessiond.caller", caller)));
    attributes.extend(notes.namespace.as_deref().map(|namespace| text("sessiond.namespace", namespace)));
    attributes.extend(notes.handle.map(|handle| text("sessiond.handle", &handle.to_string())));
    let is_error = is_error(call.code);
    spans.push(Span {
        trace_id: trace.trace_id.into(),
        span_id,
        parent_span_id: trace.parent_id.into(),
        trace_state: trace.state.clone(),
        flags: SAMPLED | PARENT_IS_KNOWN_TO_BE | REMOTE,
        name: service.map_or_else(|| method.to_owned(), |service| format!("{service}/{method}")),
        kind: SpanKind::Server.into(),
        start_time_unix_nano: nanos(began),
        end_time_unix_nano: nanos(call.ended),
        attributes,
        status: is_error.then(|| Status { code: StatusCode::Error.into(), message: String::new() }),
        ..Span::default()
    });
    Ok(())
}

/// The service and the method, as the contract names them.
fn names(rpc: Rpc) -> (Option<&'static str>, &'static str) {
    match rpc {
        Rpc::GetStatistics | Rpc::SweepNow | Rpc::Verify | Rpc::Backup | Rpc::Restore => (Some(ADMIN), rpc.name()),
        Rpc::HealthCheck => (Some(HEALTH), "Check"),
        Rpc::HealthWatch => (Some(HEALTH), "Watch"),
        Rpc::Other => (None, "_OTHER"),
        _ => (Some(STORE), rpc.name()),
    }
}

/// Whether a code is the server's fault, by the conventions for spans of a server.
fn is_error(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

fn new_id() -> Result<Vec<u8>, getrandom::Error> {
    let mut id = [0; 8];
    // A zero is no ID.
    while id == [0; 8] {
        getrandom::fill(&mut id)?;
    }
    Ok(id.into())
}

fn nanos(moment: SystemTime) -> u64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
