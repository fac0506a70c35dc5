//! The flags of a bench, and what they come to.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::settings::Settings;
use super::target::{Commands, LaneChoice, RedisAddress, RedisSettings, SessiondSettings};
use super::workload::Workload;
use crate::cli::input::args::{ServerArgs, duration, positive_duration};

const EXAMPLES: &str = "Examples:
  sessiond bench
  sessiond bench --workload ycsb-a --sessions 1000000 --duration 1m
  sessiond bench --rate 20000 --svg latency.svg
  sessiond bench --against redis://127.0.0.1:6379 --json

The bench creates its own sessions, works on them and ends them. Without --rate, each visitor begins an operation as \
soon as the last one has ended. With --rate, operations begin at fixed times, and latency counts from there, as \
users would feel it: if a server stalls for a second, that second shows in every operation that was due meanwhile.

Run the bench on another machine than the server, or on other cores, to measure the server alone. Ctrl-C ends the bench and \
prints what was measured so far. If the server goes away, the bench stops and exits with 1.";

/// The largest session, in bytes: a larger one would fit into no message.
const LARGEST: u64 = 16 << 20;

/// Arguments of `bench`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchArgs {
    /// What visitors do
    #[arg(short, long, value_enum, default_value = "web", help_heading = "Load")]
    workload: Workload,

    /// Sessions to make before the load begins
    #[arg(long, value_name = "N", value_parser = whole::<100_000_000>, default_value = "100000", help_heading = "Load")]
    sessions: u32,

    /// Size of a session, such as 1KiB; by default, as the workload says
    #[arg(long, value_name = "BYTES", value_parser = size, help_heading = "Load")]
    size: Option<usize>,

    /// Connections to the server
    #[arg(short, long, value_name = "N", value_parser = whole::<10_000>, default_value = "8", help_heading = "Load")]
    connections: u32,

    /// Operations in flight on each connection
    #[arg(short, long, value_name = "N", value_parser = whole::<10_000>, default_value = "16", help_heading = "Load")]
    in_flight: u32,

    /// Further connections, which make one call each and then stay idle
    #[arg(long, value_name = "N", value_parser = whole::<50_000>, help_heading = "Load")]
    idle_connections: Option<u32>,

    /// Begin this many operations per second, instead of as many as the server takes
    #[arg(long, value_name = "PER_SECOND", value_parser = whole::<10_000_000>, help_heading = "Load")]
    rate: Option<u32>,

    /// How long to measure
    #[arg(short, long, value_parser = positive_duration, default_value = "10s", help_heading = "Load")]
    duration: Duration,

    /// How long to load the server before measuring
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "2s", help_heading = "Load")]
    warmup: Duration,

    /// Threads that make the load; by default, one for each core, but no more than connections
    #[arg(long, value_name = "N", value_parser = whole::<1_024>, help_heading = "Load")]
    threads: Option<u32>,

    /// Seed of the random choices: the same seed makes the same choices
    #[arg(long, value_name = "NUMBER", default_value = "1", help_heading = "Load")]
    seed: u64,

    /// Keep the sessions and keys that the bench made; they expire an hour after their last use
    #[arg(long, help_heading = "Load")]
    keep: bool,

    /// How calls travel
    #[arg(long, value_enum, default_value = "fast", help_heading = "Server")]
    lane: LaneChoice,

    /// The namespace to work in
    #[arg(short, long, default_value = "bench", value_parser = NonEmptyStringValueParser::new(),
          help_heading = "Server")]
    namespace: String,

    #[command(flatten)]
    pub(super) server: ServerArgs,

    /// Do the same to this Redis or Valkey and compare: redis://HOST:PORT
    #[arg(long, value_name = "ADDRESS", help_heading = "Redis")]
    against: Option<RedisAddress>,

    /// The commands with which a read starts the timeout again
    #[arg(
        long,
        value_enum,
        value_name = "COMMANDS",
        default_value = "getex",
        requires = "against",
        help_heading = "Redis"
    )]
    redis_commands: Commands,

    /// Commands in each round trip
    ///
    /// With 1, each operation in flight has a connection of its own. Above 1, each connection has one round trip in flight.
    #[arg(long, value_name = "N", value_parser = whole::<10_000>, default_value = "1", requires = "against",
          help_heading = "Redis")]
    redis_pipeline: u32,

    /// Draw the latencies as an SVG file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) svg: Option<PathBuf>,
}

/// A whole number from 1 to `MAX`.
fn whole<const MAX: u32>(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|number| (1..=MAX).contains(number))
        .ok_or_else(|| format!("write a number from 1 to {MAX}"))
}

fn size(text: &str) -> Result<usize, String> {
    let bytes = text.parse::<ByteSize>().ok().map(|size| size.0).filter(|bytes| (1..=LARGEST).contains(bytes));
    bytes.and_then(|bytes| usize::try_from(bytes).ok()).ok_or_else(|| "write a size from 1B to 16MiB".to_owned())
}

fn count(number: u32) -> usize {
    number.try_into().unwrap_or(usize::MAX)
}

impl BenchArgs {
    pub(in crate::cli) fn json(&self) -> bool {
        self.server.json()
    }

    pub(super) fn settings(&self) -> Settings {
        let connections = count(self.connections);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Settings {
            workload: self.workload,
            sessions: if self.workload.is_preloaded() { count(self.sessions) } else { 0 },
            sizes: self.size.map_or_else(|| self.workload.sizes(), |size| size..=size),
            connections,
            in_flight: count(self.in_flight),
            idle_connections: self.idle_connections.map_or(0, count),
            threads: self.threads.map_or(cores, count).min(connections),
            rate: self.rate,
            warmup: self.warmup,
            duration: self.duration,
            seed: self.seed,
            keep: self.keep,
            quiet: self.server.json(),
        }
    }

    pub(super) fn sessiond(&self) -> SessiondSettings {
        let client = self.server.client_builder().namespace(&self.namespace);
        SessiondSettings { client: self.lane.apply(client), in_flight: count(self.in_flight) }
    }

    pub(super) fn redis(&self) -> Option<RedisSettings> {
        Some(RedisSettings {
            address: self.against.clone()?,
            commands: self.redis_commands,
            pipeline: count(self.redis_pipeline),
            in_flight: count(self.in_flight),
            timeout: self.server.timeout,
        })
    }

    /// What the JSON form shows besides the settings.
    pub(super) fn lane(&self) -> LaneChoice {
        self.lane
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }
}
