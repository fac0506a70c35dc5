//! The most memory that a server takes, as docs/guides/sizing.md states it, while greedy peers of all kinds come together.

use crate::common::Server;
use crate::pressure::half_sent::{head_of_large_headers, head_of_small_headers, make_calls};
use crate::pressure::others::Others;
use crate::pressure::seats::stall_at;
use crate::pressure::unread::{Kind, ask, fill, send_without_reading};

const MIB: u64 = 1 << 20;

/// Connections, requests in flight, and bytes, as the flags have them.
const CONNECTIONS: u64 = 200;
const REQUESTS: u64 = 500;
const MESSAGES: u64 = 32 * MIB;
const CACHE: u64 = 16 * MIB;

const FLAGS: [&str; 5] = [
    "--max-connections=200",
    "--max-requests-in-flight=500",
    "--message-memory=32MiB",
    "--message-memory-per-connection=16MiB",
    "--cache-size=16MiB",
];

#[tokio::test(flavor = "multi_thread")]
async fn all_that_greedy_peers_can_make_a_server_hold_stays_below_the_stated_ceiling() {
    let server = Server::start_with(&FLAGS);
    let ids = fill(&server).await;
    let mut others = Others::arrive(&server).await;
    let peers: Vec<_> = (0..CONNECTIONS - 10)
        .map(|number| match number % 7 {
            0 => make_calls(&server, &head_of_large_headers()),
            1 => make_calls(&server, &head_of_small_headers()),
            2 => send_without_reading(&server),
            3 => stall_at(&server, 10),
            4 => ask(&server, Kind::Batch, 100, 0, &ids),
            5 => ask(&server, Kind::Exchange, 100, 1_000, &ids),
            _ => ask(&server, Kind::List, 100, 0x7fff_ffff, &ids),
        })
        .collect();
    others.read(300).await;
    let ceiling = 160 * MIB + CACHE + MESSAGES * 3 / 2 + CONNECTIONS * MIB / 2 + REQUESTS * (64 << 10);
    let peak = server.peak_memory();
    assert!(peak < ceiling, "{} MiB instead of {} at most", peak / MIB, ceiling / MIB);
    // It must be able to fail: the peers did make it hold much.
    assert!(peak > MESSAGES, "{} MiB", peak / MIB);
    drop(peers);
}
