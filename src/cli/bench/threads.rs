//! Spreads connections over threads. Each thread has a runtime of its own, so that none waits for another's lock.

use std::thread;

use tokio::runtime;
use tokio::task::{JoinSet, spawn_blocking};

/// Runs `work` once for each connection, which is told its thread and its connection, both counted from 0. Answers what
/// all returned, in no order.
pub(super) async fn spread<R, F>(
    threads: usize,
    connections: usize,
    work: impl Fn(usize, usize) -> F + Clone + Send + 'static,
) -> Result<Vec<R>, String>
where
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let mut running = Vec::with_capacity(threads);
    for thread in 0..threads {
        let work = work.clone();
        let run = move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
            let all = async {
                let connections = (thread..connections).step_by(threads);
                connections.map(|connection| work(thread, connection)).collect::<JoinSet<R>>().join_all().await
            };
            Ok::<_, String>(runtime.block_on(all))
        };
        let name = format!("load-{thread}");
        let handle = thread::Builder::new().name(name).spawn(run).map_err(|e| format!("can't start a thread: {e}"))?;
        running.push(spawn_blocking(move || handle.join()));
    }
    let mut returned = Vec::with_capacity(connections);
    for thread in running {
        match thread.await {
            Ok(Ok(results)) => returned.extend(results?),
            _ => return Err("a thread of the load generator broke down".to_owned()),
        }
    }
    Ok(returned)
}
