//! A Redis or Valkey under the same load, with the commands that session stores use.

mod address;
mod lane;
mod resp;

use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;

use super::{Target, Usage};
pub(in crate::cli::bench) use address::RedisAddress;
use lane::{Keys, RedisLane};
use resp::Reply;

/// The commands with which a read starts the timeout again. The comments are also the help texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli::bench) enum Commands {
    /// GET and then EXPIRE, as connect-redis does
    Get,
    /// GETEX, which does both
    Getex,
}

/// How to use a Redis.
#[derive(Clone, Debug)]
pub(in crate::cli::bench) struct RedisSettings {
    pub(in crate::cli::bench) address: RedisAddress,
    pub(in crate::cli::bench) commands: Commands,
    /// Commands in one round trip; 1 is no pipelining.
    pub(in crate::cli::bench) pipeline: usize,
    /// Calls in flight on one connection of a sessiond.
    pub(in crate::cli::bench) in_flight: usize,
    /// How long a round trip may take.
    pub(in crate::cli::bench) timeout: Duration,
}

impl RedisSettings {
    /// Connections that stand for one of a sessiond.
    pub(in crate::cli::bench) fn sockets(&self) -> usize {
        if self.pipeline > 1 { 1 } else { self.in_flight }
    }
}

/// A Redis or Valkey under load.
pub(in crate::cli::bench) struct Redis {
    settings: RedisSettings,
    name: String,
    keys: Arc<Keys>,
}

impl Redis {
    /// Reaches a server, which must answer.
    pub(in crate::cli::bench) async fn reach(settings: RedisSettings) -> Result<Self, String> {
        let keys = Keys::new().map_err(|error| format!("the system has no random numbers: {error}"))?;
        let mut server = Self { settings, name: String::new(), keys: Arc::new(keys) };
        let info = server.info().await?;
        server.name = match (field(&info, "valkey_version"), field(&info, "redis_version")) {
            (Some(version), _) => format!("Valkey {version}"),
            (None, Some(version)) => format!("Redis {version}"),
            (None, None) => return Err(server.is_no_redis()),
        };
        Ok(server)
    }

    async fn info(&self) -> Result<String, String> {
        let replies = self.lane().send(&[vec![b"INFO"]]).await?;
        match replies.first() {
            Some(Reply::BulkString(text)) => Ok(String::from_utf8_lossy(text).into_owned()),
            Some(Reply::Error(error)) => Err(format!("{} answers: {error}", self.settings.address)),
            _ => Err(self.is_no_redis()),
        }
    }

    fn is_no_redis(&self) -> String {
        format!("the server at {} is not Redis", self.settings.address)
    }

    fn lane(&self) -> RedisLane {
        RedisLane::new(self.settings.clone(), Arc::clone(&self.keys))
    }
}

/// A field of what `INFO` answers.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

impl Target for Redis {
    type Lane = RedisLane;

    fn name(&self) -> &str {
        &self.name
    }

    fn lanes(&self) -> Result<Vec<RedisLane>, String> {
        Ok((0..self.settings.sockets()).map(|_| self.lane()).collect())
    }

    async fn usage(&self) -> Result<Usage, String> {
        let info = self.info().await?;
        let seconds = |name| field(&info, name)?.parse::<f64>().ok();
        let cpu = seconds("used_cpu_user").zip(seconds("used_cpu_sys")).map(|(user, system)| user + system);
        let memory_bytes = field(&info, "used_memory_rss").and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
        Ok(Usage { cpu: cpu.and_then(|cpu| Duration::try_from_secs_f64(cpu).ok()), memory_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_tells_of_itself_is_found() {
        let info = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n";
        assert_eq!(field(info, "redis_version"), Some("7.0.15"));
        assert_eq!(field(info, "redis"), None);
    }
}
