//! Metrics of calls and connections.

use super::{Families, SECONDS};
use crate::server::metrics::Sources;
use crate::service::{CallCounts, CallTotals, Lane, Rpc, code_name, errors_by_reason};
use std::fmt;
use std::sync::atomic::Ordering;
use tonic::Code;

pub(in crate::server::metrics) fn write(families: &mut Families<'_, '_>, sources: &Sources) -> fmt::Result {
    let workers = || sources.workers.iter().map(|worker| &*worker.calls);
    let console = sources.console.as_ref();
    let (requests, streams) = requests_and_streams(workers, console.map(|console| &*console.calls));
    families.counters(
        "sessiond_requests",
        "Requests that were answered, by method, code and lane.",
        requests.iter().flat_map(|totals| {
            codes(totals).map(|(code, count)| {
                let labels = [("method", totals.rpc.name()), ("code", code), ("lane", totals.lane.name())];
                (labels, count)
            })
        }),
    )?;
    let durations = requests.iter().filter(|totals| totals.rpc != Rpc::Other);
    families.histograms(
        "sessiond_request_duration_seconds",
        "How long requests took, from their head to the answer.",
        durations.map(|totals| {
            let labels = [("method", totals.rpc.name()), ("lane", totals.lane.name())];
            (labels, totals.durations.clone())
        }),
        SECONDS,
    )?;
    families.counters(
        "sessiond_streams",
        "Streams that have ended, by method and code.",
        streams.iter().flat_map(|totals| {
            codes(totals).map(|(code, count)| ([("method", totals.rpc.name()), ("code", code)], count))
        }),
    )?;
    families.counters(
        "sessiond_errors",
        "Errors that callers were told, by reason; those in a batch count each.",
        errors_by_reason().map(|(reason, count)| ([("reason", reason)], count)),
    )?;
    let settings = &sources.services.settings;
    families.gauge("sessiond_requests_in_flight", "Requests in flight.", sources.services.budget.requests())?;
    families.gauge(
        "sessiond_requests_in_flight_limit",
        "Requests that may be in flight (setting max-requests-in-flight).",
        settings.max_requests_in_flight,
    )?;
    families.gauge(
        "sessiond_message_memory_bytes",
        "Bytes of messages that have not wholly arrived or have not been taken.",
        sources.services.budget.bytes(),
    )?;
    families.gauge(
        "sessiond_message_memory_limit_bytes",
        "Bytes of messages that may be held (setting message-memory).",
        settings.message_memory,
    )?;
    let connections: usize = sources.workers.iter().map(|worker| worker.load.load(Ordering::Relaxed)).sum();
    families.gauge("sessiond_connections", "Connections that are open.", connections)?;
    families.gauge(
        "sessiond_connections_limit",
        "Connections that may be open (setting max-connections).",
        settings.max_connections,
    )?;
    families.gauge(
        "sessiond_connections_per_address_limit",
        "Connections of one address that may be open (setting max-connections-per-address).",
        settings.max_connections_per_address,
    )?;
    families.counter(
        "sessiond_connections_refused",
        "Connections that were closed at once, since their address had enough.",
        sources.slots.refused(),
    )?;
    families.counter(
        "sessiond_connections_cut_off",
        "Connections that were closed because their peers broke the rules of HTTP/2, or often kept the server waiting.",
        sources.slots.cut_off(),
    )
}

/// The methods with one answer that the console calls.
const CONSOLE: [Rpc; 3] = [Rpc::ListSessions, Rpc::RevokeSessions, Rpc::GetStatistics];

/// What was counted of the methods with one message each way, in each lane, and of those with streams.
fn requests_and_streams<'a, Workers: Iterator<Item = &'a CallCounts>>(
    workers: impl Fn() -> Workers,
    console: Option<&'a CallCounts>,
) -> (Vec<CallTotals>, Vec<CallTotals>) {
    let (streams, unary): (Vec<Rpc>, Vec<Rpc>) = Rpc::ALL.iter().partition(|rpc| rpc.is_stream());
    let exchanged = Rpc::ALL.into_iter().filter(|rpc| rpc.is_in_exchange());
    let unary = unary.into_iter().map(|rpc| (Lane::Unary, rpc));
    let requests = unary.chain(exchanged.map(|rpc| (Lane::Stream, rpc)));
    let requests = requests.map(|(lane, rpc)| CallTotals::of(workers(), lane, rpc));
    let of_console = console.into_iter().flat_map(|console| CONSOLE.map(|rpc| (console, rpc)));
    let of_console = of_console.map(|(console, rpc)| CallTotals::of([console], Lane::Console, rpc));
    let streams = streams.into_iter().map(|rpc| CallTotals::of(workers().chain(console), Lane::Unary, rpc));
    (requests.chain(of_console).collect(), streams.collect())
}

/// How often there was each code: that of success in any case, and of the others those that there were.
fn codes(totals: &CallTotals) -> impl Iterator<Item = (&'static str, u64)> {
    let codes = totals.codes.iter().zip(0..);
    let codes = codes.map(|(count, number)| (Code::from_i32(number), *count));
    codes.filter(|(code, count)| *count > 0 || *code == Code::Ok).map(|(code, count)| (code_name(code), count))
}
