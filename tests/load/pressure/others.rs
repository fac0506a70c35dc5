//! Measures how uninvolved clients are served meanwhile.

use crate::common::Server;
use sessiond_client::Client;
use sessiond_client::proto::CreateSessionRequest;
use std::time::{Duration, Instant};

/// A client that reads its session again and again.
pub(crate) struct Others {
    client: Client,
    id: String,
    times: Vec<Duration>,
}

impl Others {
    pub(crate) async fn arrive(server: &Server) -> Self {
        let client = server.client();
        let id = client.create(CreateSessionRequest::new().attribute("n", 1)).await.unwrap().session_id;
        Self { client, id, times: Vec::new() }
    }

    /// Reads so often; each time must succeed.
    pub(crate) async fn read(&mut self, times: usize) {
        for _ in 0..times {
            let begin = Instant::now();
            self.client.get(&self.id).await.unwrap();
            self.times.push(begin.elapsed());
        }
    }

    /// Of a hundred reads one took longer.
    pub(crate) fn p99(&mut self) -> Duration {
        self.times.sort();
        self.times[self.times.len() * 99 / 100]
    }

    pub(crate) fn count(&self) -> usize {
        self.times.len()
    }
}
