//! Compares the adapters of sessiond for Rust with tower-sessions' store for Redis. The same site runs over each, in this
//! process; both servers run on the same core, one after the other.
//!
//! `clients/rust-axum/benchmark` builds and starts it. It needs redis-server and taskset (Debian: redis-server, util-linux).

mod measure;
mod report;
mod server;
mod site;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use measure::{Figures, measure};
use server::{Kind, Server};
use site::Site;

/// What to measure.
#[derive(Debug, Parser)]
struct Settings {
    /// The sessiond to measure: a release build
    #[arg(long, env = "SESSIOND_BIN")]
    sessiond: PathBuf,
    /// The redis-server to compare with
    #[arg(long, default_value = "redis-server")]
    redis: PathBuf,
    /// The core that the servers run on
    #[arg(long, default_value = "0")]
    core: String,
    /// Sessions in store
    #[arg(long, default_value_t = 1_000)]
    sessions: usize,
    /// Connections of the client of Redis, as the documentation of its store has them
    #[arg(long, default_value_t = 6)]
    connections: usize,
    /// How long each figure is measured, in milliseconds
    #[arg(long, default_value_t = 1_000)]
    period: u64,
    /// Rounds; each server is started anew in each, and the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::parse();
    let mut rounds = Vec::new();
    for _ in 0..settings.rounds {
        let redis = Server::start(&settings, Kind::Redis).await?;
        let site = site::redis(redis.address(), settings.connections).await?;
        let redis = figures(&settings, &site).await?;
        let sessiond = Server::start(&settings, Kind::Sessiond).await?;
        let store = figures(&settings, &site::tower_store(sessiond.address())?).await?;
        let layer = figures(&settings, &site::layer(sessiond.address())?).await?;
        rounds.push(report::Round { redis, store, layer });
    }
    report::print(&rounds);
    Ok(())
}

async fn figures(settings: &Settings, site: &Site) -> Result<Figures, Box<dyn Error>> {
    let cookies = site.visitors(settings.sessions).await?;
    measure(site, &cookies, Duration::from_millis(settings.period)).await
}
