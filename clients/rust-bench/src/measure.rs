//! What is measured of a site.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use crate::site::{Cookie, Failure, Site};

const IN_FLIGHT: usize = 32;

/// The figures of one site in one round.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Medians with one in flight.
    pub load: Duration,
    pub read: Duration,
    pub write: Duration,
    /// Per second, with 32 in flight.
    pub loads: f64,
    pub reads: f64,
    pub writes: f64,
}

/// Measures every figure for so long.
pub async fn measure(site: &Site, cookies: &[Cookie], period: Duration) -> Result<Figures, Failure> {
    let cookie = |n: usize| &cookies[n % cookies.len()];
    let load = async |n| site.load(cookie(n)).await;
    let read = async |n| site.page("/read", cookie(n)).await;
    let write = async |n| site.page("/write", cookie(n)).await;
    Ok(Figures {
        load: one_by_one(load, period).await?,
        read: one_by_one(read, period).await?,
        write: one_by_one(write, period).await?,
        loads: together(load, period).await?,
        reads: together(read, period).await?,
        writes: together(write, period).await?,
    })
}

/// The median time of something that is done one at a time.
async fn one_by_one(work: impl AsyncFn(usize) -> Result<(), Failure>, period: Duration) -> Result<Duration, Failure> {
    let mut times = Vec::new();
    let start = Instant::now();
    for n in 0.. {
        let before = Instant::now();
        if before - start >= period {
            break;
        }
        work(n).await?;
        // The first tenth warms up.
        if start.elapsed() > period / 10 {
            times.push(before.elapsed());
        }
    }
    times.sort_unstable();
    times.get(times.len() / 2).copied().ok_or_else(|| "nothing was done within the period".into())
}

/// How often a second something is done with so many in flight.
async fn together(work: impl AsyncFn(usize) -> Result<(), Failure>, period: Duration) -> Result<f64, Failure> {
    let done = Cell::new(0_u32);
    let start = Instant::now();
    try_join_all((0..IN_FLIGHT).map(async |worker| {
        for n in (worker..).step_by(IN_FLIGHT) {
            if start.elapsed() >= period {
                break;
            }
            work(n).await?;
            done.set(done.get() + 1);
        }
        Ok::<_, Failure>(())
    }))
    .await?;
    Ok(f64::from(done.get()) / start.elapsed().as_secs_f64())
}
