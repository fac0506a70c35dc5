//! Tests with greedy peers: they never read their answers, never finish their requests, or never use their connections.
//! They get no more than their share, and everyone else is served meanwhile.
//!
//! Each has a long mode, which prints figures: `SESSIOND_UNREAD=20000` is the number of calls whose answers are not read,
//! `SESSIOND_HALF_SENT=25` the seconds for which requests are left half-sent, with
//! `cargo test --release --test load -- --nocapture --test-threads 1`.

mod ceiling;
mod half_sent;
mod large;
mod others;
mod seats;
mod unread;
mod uploads;

/// A number from the environment; `None` in the short mode.
fn long_mode(name: &str) -> Option<u32> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}
