//! Operations as the commands of a session store.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::timeout;

use super::resp::{Connection, Reply};
use super::{Commands, RedisSettings};
use crate::cli::bench::target::{Lane, Operation, Outcome};

/// Every key of a bench begins so.
const KEY_PREFIX: &str = "sessiond-bench:";

/// `IDLE_TIMEOUT` in seconds, as an argument.
const SECONDS: &[u8] = b"3600";

/// Makes keys that no other bench makes.
pub(super) struct Keys {
    run: u64,
    made: AtomicU64,
}

impl Keys {
    /// A source of keys; an error if the system has no random numbers.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        Ok(Self { run: getrandom::u64()?, made: AtomicU64::new(0) })
    }

    fn make(&self) -> String {
        format!("{KEY_PREFIX}{:016x}{:016x}", self.run, self.made.fetch_add(1, Ordering::Relaxed))
    }
}

/// The words of a command.
type Command<'a> = Vec<&'a [u8]>;

/// A connection of its own.
pub(in crate::cli::bench) struct RedisLane {
    settings: RedisSettings,
    keys: Arc<Keys>,
    /// `None` before the first operation, and after one that failed.
    connection: Option<Connection>,
}

impl RedisLane {
    pub(super) fn new(settings: RedisSettings, keys: Arc<Keys>) -> Self {
        Self { settings, keys, connection: None }
    }

    /// Sends commands, as many at a time as are pipelined; the answers in their order.
    pub(super) async fn send(&mut self, commands: &[Command<'_>]) -> Result<Vec<Reply>, String> {
        let RedisSettings { address, pipeline, timeout: patience, .. } = &self.settings;
        let connection = self.connection.take();
        let conversation = async {
            let mut connection = match connection {
                Some(connection) => connection,
                None => Connection::open(&address.0).await?,
            };
            let mut replies = Vec::with_capacity(commands.len());
            for trip in commands.chunks(*pipeline) {
                for command in trip {
                    connection.queue(command)?;
                }
                replies.extend(connection.exchange().await?);
            }
            io::Result::Ok((connection, replies))
        };
        match timeout(*patience, conversation).await {
            Ok(Ok((connection, replies))) => {
                self.connection = Some(connection);
                Ok(replies)
            }
            Ok(Err(error)) => Err(format!("no Redis answers at {address}: {error}")),
            Err(_) => Err(format!("Redis at {address} did not answer within {patience:?}")),
        }
    }

    /// What a session store sends for an operation; `new_key` is for a session that gets one.
    fn commands<'a>(&self, operation: &'a Operation<'_>, new_key: &'a str) -> Vec<Command<'a>> {
        match operation {
            Operation::Read(key) => match self.settings.commands {
                Commands::Get => vec![vec![b"GET", key.as_bytes()], vec![b"EXPIRE", key.as_bytes(), SECONDS]],
                Commands::Getex => vec![vec![b"GETEX", key.as_bytes(), b"EX", SECONDS]],
            },
            Operation::Write(key, data) => vec![vec![b"SET", key.as_bytes(), data, b"EX", SECONDS]],
            Operation::Create(data) => vec![create(new_key, data)],
            Operation::Rotate(key, data) => vec![create(new_key, data), vec![b"DEL", key.as_bytes()]],
            Operation::Delete(key) => vec![vec![b"DEL", key.as_bytes()]],
        }
    }
}

fn create<'a>(key: &'a str, data: &'a [u8]) -> Command<'a> {
    vec![b"SET", key.as_bytes(), data, b"NX", b"EX", SECONDS]
}

/// What came of an operation, by the answers to its commands.
fn outcome(replies: &[Reply], new_key: Option<String>) -> Outcome {
    for reply in replies {
        match reply {
            Reply::Error(error) => return Err(format!("Redis answers: {error}")),
            // Both GET and SET NX say so that nothing came of them.
            Reply::Null => return Err("Redis answers: no such key, or one that is taken".to_owned()),
            _ => {}
        }
    }
    Ok(new_key)
}

impl Lane for RedisLane {
    fn width(&self) -> usize {
        self.settings.pipeline
    }

    async fn perform(&mut self, operations: &[Operation<'_>]) -> Vec<Outcome> {
        let new_keys: Vec<Option<String>> = operations
            .iter()
            .map(|operation| {
                matches!(operation, Operation::Create(_) | Operation::Rotate(..)).then(|| self.keys.make())
            })
            .collect();
        let mut commands = Vec::with_capacity(operations.len());
        let mut counts = Vec::with_capacity(operations.len());
        for (operation, new_key) in operations.iter().zip(&new_keys) {
            let before = commands.len();
            commands.extend(self.commands(operation, new_key.as_deref().unwrap_or_default()));
            counts.push(commands.len() - before);
        }
        match self.send(&commands).await {
            Ok(replies) => {
                let mut replies = replies.as_slice();
                let mut next = |count| {
                    let (these, rest) = replies.split_at(count);
                    replies = rest;
                    these
                };
                counts.into_iter().zip(new_keys).map(|(count, new_key)| outcome(next(count), new_key)).collect()
            }
            Err(error) => vec![Err(error); operations.len()],
        }
    }
}
