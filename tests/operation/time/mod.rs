//! Tests that set the system's clock while a server runs, and while it is down.
//!
//! There is a long mode: `SESSIOND_CLOCK_STEPS=200 cargo test --test operation time:: -- --nocapture`. `SESSIOND_SEED`
//! repeats the random choices of a run.

mod restarts;
mod running;
mod storm;

use crate::common::faketime::FakeTime;
use crate::common::{Server, eventually};
use sessiond::clock::ClockFile;
use sessiond_client::proto::{CreateSessionRequest, GetSessionRequest, Timeouts};
use sessiond_client::{Client, Error};
use std::time::{Duration, Instant};

pub(crate) const HOUR: i64 = 60 * 60;
pub(crate) const DAY: i64 = 24 * HOUR;

/// A server whose clock is right at first, and whose sweeper never comes.
pub(crate) fn start(clock: &FakeTime) -> Server {
    Server::start_under(tempfile::tempdir().unwrap(), clock.environment(), &["--sweep-interval", "10m"])
}

pub(crate) async fn create(client: &Client, idle: Duration) -> String {
    let request = CreateSessionRequest::new().timeouts(Timeouts::new().idle(idle));
    client.create(request).await.unwrap().session_id
}

pub(crate) async fn is_live(client: &Client, id: &str) -> bool {
    match client.get(GetSessionRequest::new(id).peek()).await {
        Ok(_) => true,
        Err(Error::SessionNotFound) => false,
        Err(error) => panic!("{error}"),
    }
}

/// How long a session lives by the clock of this test, which runs evenly.
pub(crate) async fn lifetime(client: &Client, idle: Duration) -> Duration {
    let began = Instant::now();
    let id = create(client, idle).await;
    eventually("the session ends", async || !is_live(client, &id).await).await;
    began.elapsed()
}

/// Makes the next start like one after a restart of the machine: nobody knows how much time has passed since the server
/// stopped.
pub(crate) fn restart_machine(server: &Server) {
    let mut file = ClockFile::open(&server.data()).unwrap();
    let mut known = file.known().unwrap().clone();
    known.boot = Some("another".to_owned());
    // Both copies.
    file.write(known.clone()).unwrap();
    file.write(known).unwrap();
}
