//! The queue of calls whose spans are to be sent, and the task that sends them.

use super::headers::Headers;
use super::span::request_of;
use super::{EndedCall, SpanCounts, SpanSettingError};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{sleep, timeout};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

/// Calls that wait to be sent, at most: some MiB.
const QUEUE: usize = 4_096;

/// Calls in one request, at most: some 500 KiB, far below the 4 MiB that collectors take.
const BATCH: usize = 512;

/// How long a call waits for others that are sent with it.
const GATHER: Duration = Duration::from_secs(1);

/// How long a collector may take for a request, with the connection to it.
const SEND_WITHIN: Duration = Duration::from_secs(10);

/// Takes calls whose spans are to be sent. Clones share the queue.
#[derive(Clone, Debug)]
pub struct SpanExporter {
    queue: Sender<EndedCall>,
    finish: Sender<SyncSender<()>>,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    exported: AtomicU64,
    dropped: AtomicU64,
}

impl SpanExporter {
    /// Begins to send to the collector at this address, of the form `http://HOST:PORT` or `https://HOST:PORT`. It need not be
    /// there yet. Each request has the headers of a file, with a header on each line, of the form `name: value`. Must be called in a
    /// runtime, on which it sends.
    ///
    /// # Errors
    /// What is wrong with the address, with the certificates that the system trusts, or with the file.
    pub fn start(address: &str, headers: Option<&Path>) -> Result<Self, SpanSettingError> {
        let endpoint = endpoint(address).map_err(|problem| SpanSettingError { setting: "otlp-endpoint", problem })?;
        let headers = headers.map(Headers::load).transpose();
        let headers = headers.map_err(|problem| SpanSettingError { setting: "otlp-headers", problem })?;
        let (queue, calls) = channel(QUEUE);
        let (finish, finishes) = channel(1);
        let counters = Arc::new(Counters::default());
        let client = TraceServiceClient::with_interceptor(endpoint.connect_lazy(), headers.unwrap_or_default());
        let sending = Sending { calls, finishes, client, counters: Arc::clone(&counters), has_failed: false };
        tokio::spawn(sending.run());
        Ok(Self { queue, finish, counters })
    }

    /// Hands over a call. It is dropped if too many wait.
    pub(in super::super) fn export(&self, call: EndedCall) {
        let spans = call.spans();
        if self.queue.try_send(call).is_err() {
            self.counters.dropped.fetch_add(spans, Ordering::Relaxed);
        }
    }

    /// Waits until all calls so far are sent or dropped, but no longer than this.
    pub(in super::super) fn finish(&self, within: Duration) {
        let (done, finished) = sync_channel(1);
        if self.finish.try_send(done).is_err() || finished.recv_timeout(within).is_err() {
            tracing::warn!("the last spans could not be sent in time");
        }
    }

    pub(crate) fn counts(&self) -> SpanCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SpanCounts { exported: read(&self.counters.exported), dropped: read(&self.counters.dropped) }
    }
}

fn endpoint(address: &str) -> Result<Endpoint, String> {
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|error| error.to_string())?;
    let endpoint = endpoint.connect_timeout(SEND_WITHIN);
    if endpoint.uri().scheme_str() != Some("https") {
        return Ok(endpoint);
    }
    endpoint.tls_config(ClientTlsConfig::new().with_native_roots()).map_err(|error| {
        format!("the certificates that the system trusts can't be read ({error}); install ca-certificates")
    })
}

/// The task that sends.
struct Sending {
    calls: Receiver<EndedCall>,
    /// Who wants to know when all before is done.
    finishes: Receiver<SyncSender<()>>,
    client: TraceServiceClient<InterceptedService<Channel, Headers>>,
    counters: Arc<Counters>,
    /// The last request failed.
    has_failed: bool,
}

impl Sending {
    /// Sends until nobody can hand over calls any more.
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let done = tokio::select! {
                received = self.calls.recv_many(&mut batch, BATCH) => match received {
                    0 => return,
                    _ => self.gather(&mut batch).await,
                },
                Some(done) = self.finishes.recv() => Some(done),
            };
            let Some(done) = done else {
                self.send(&mut batch).await;
                continue;
            };
            while !batch.is_empty() || !self.calls.is_empty() {
                self.take_waiting(&mut batch);
                self.send(&mut batch).await;
            }
            // Nobody may wait any more.
            done.try_send(()).unwrap_or_default();
        }
    }

    /// Waits for more calls, until a request is full or has waited long enough. Returns who is not to be kept waiting.
    async fn gather(&mut self, batch: &mut Vec<EndedCall>) -> Option<SyncSender<()>> {
        let mut enough = std::pin::pin!(sleep(GATHER));
        while batch.len() < BATCH {
            tokio::select! {
                received = self.calls.recv_many(batch, BATCH - batch.len()) => if received == 0 { break },
                () = &mut enough => break,
                Some(done) = self.finishes.recv() => return Some(done),
            }
        }
        None
    }

    fn take_waiting(&mut self, batch: &mut Vec<EndedCall>) {
        while batch.len() < BATCH
            && let Ok(call) = self.calls.try_recv()
        {
            batch.push(call);
        }
    }

    /// Sends a request. What is not taken is dropped, since more is coming and memory is bounded.
    async fn send(&mut self, batch: &mut Vec<EndedCall>) {
        let spans: u64 = batch.iter().map(EndedCall::spans).sum();
        let request = request_of(batch.drain(..));
        let answer = match request {
            Ok(request) => match timeout(SEND_WITHIN, self.client.export(request)).await {
                Ok(Ok(answer)) => Ok(answer.into_inner()),
                Ok(Err(status)) => Err(status.message().to_owned()),
                Err(_) => Err(format!("it took longer than {} s", SEND_WITHIN.as_secs())),
            },
            Err(error) => Err(error),
        };
        let (exported, problem) = match answer {
            Ok(answer) => {
                let refused = answer.partial_success.filter(|partial| partial.rejected_spans > 0);
                let rejected = refused.as_ref().map_or(0, |partial| partial.rejected_spans.unsigned_abs());
                (spans.saturating_sub(rejected), refused.map(|partial| partial.error_message))
            }
            Err(problem) => (0, Some(problem)),
        };
        self.counters.exported.fetch_add(exported, Ordering::Relaxed);
        self.counters.dropped.fetch_add(spans - exported, Ordering::Relaxed);
        let has_failed = problem.is_some();
        match problem {
            Some(problem) if !self.has_failed => {
                tracing::warn!(
                    problem,
                    "spans could not be sent to otlp-endpoint; they are dropped and counted until they can"
                );
            }
            None if self.has_failed => tracing::info!("spans are sent to otlp-endpoint again"),
            _ => {}
        }
        self.has_failed = has_failed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call_record::{Beginning, Notes, TraceContext};
    use crate::service::{Lane, Rpc};
    use std::time::{Instant, SystemTime};
    use tonic::Code;

    fn ended(engine: Option<(Instant, Duration)>) -> EndedCall {
        let (rpc, lane, began) = (Rpc::GetSession, Lane::Unary, Instant::now());
        EndedCall {
            beginning: Beginning { rpc, lane, may_be_audited: false, began },
            notes: Notes { engine, ..Notes::default() },
            trace: TraceContext { trace_id: [1; 16], parent_id: [2; 8], is_sampled: true, state: String::new() },
            code: Code::Ok,
            took: Duration::ZERO,
            ended: SystemTime::UNIX_EPOCH,
        }
    }

    /// On one thread, the task that sends can't run between two calls.
    #[tokio::test]
    async fn what_has_no_room_in_the_queue_is_dropped_and_counted() {
        let exporter = SpanExporter::start("http://127.0.0.1:1", None).unwrap();
        for _ in 0..QUEUE {
            exporter.export(ended(None));
        }
        assert_eq!(exporter.counts(), SpanCounts::default());
        exporter.export(ended(None));
        exporter.export(ended(Some((Instant::now(), Duration::ZERO))));
        assert_eq!(exporter.counts(), SpanCounts { exported: 0, dropped: 3 });
    }

    #[tokio::test]
    async fn addresses_of_both_schemes_are_taken() {
        for address in ["http://localhost:4317", "https://collector.example.com:4317/", "http://[::1]:4317"] {
            SpanExporter::start(address, None).unwrap();
        }
    }
}
