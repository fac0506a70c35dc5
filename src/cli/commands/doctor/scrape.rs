//! What the port for metrics tells: the server's version, and what is free on its disk.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Finding, disk};

/// Of more namespaces than have series, the text is far shorter.
const LONGEST: u64 = 16 << 20;

pub(super) async fn check(address: &str, limit: Duration) -> Vec<Finding> {
    let answer = timeout(limit, get(address)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let metrics = match answer {
        Ok(metrics) => metrics,
        Err(error) => {
            let remedy = "name the address of metrics-listen";
            return vec![Finding::fail("metrics", format!("{address}: {error}"), remedy)];
        }
    };
    let Some(theirs) = version(&metrics) else {
        let found = format!("{address} answers, and not as sessiond does");
        return vec![Finding::fail("metrics", found, "name the address of metrics-listen")];
    };
    let ours = env!("CARGO_PKG_VERSION");
    let mut findings = vec![if theirs == ours {
        Finding::ok("version", format!("{ours}, here and there"))
    } else {
        Finding::warn("version", format!("{ours} here, {theirs} there"), "use the command of the server's version")
    }];
    findings.extend(value(&metrics, "sessiond_disk_free_bytes").map(disk));
    findings
}

async fn get(address: &str) -> io::Result<String> {
    let mut peer = TcpStream::connect(address).await?;
    // Of this version, so that the answer ends with the connection and comes in one piece.
    peer.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
    let mut answer = Vec::new();
    peer.take(LONGEST).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn version(metrics: &str) -> Option<&str> {
    metrics.lines().find_map(|line| line.strip_prefix("sessiond_build_info{version=\"")?.split('"').next())
}

fn value(metrics: &str, name: &str) -> Option<u64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}
