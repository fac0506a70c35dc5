//! Tests of `sessiond bench` as a user runs it: each workload, the JSON form, a fixed rate, and what it leaves behind.

use crate::common::{Server, binary};
use rustix::process::Signal;
use serde_json::Value as Json;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// The runs are short, because no speed is tested.
const SHORT: [&str; 8] = ["--duration", "300ms", "--warmup", "100ms", "--sessions", "200", "--connections", "2"];

fn bench(server: &Server, flags: &[&str]) -> Output {
    let mut command = binary();
    command.args(["bench", "--addr", server.address()]).args(SHORT).args(flags);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
}

fn json(output: &Output) -> Json {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn sessions_left(server: &Server) -> u64 {
    server.client().statistics().await.unwrap().sessions
}

#[tokio::test(flavor = "multi_thread")]
async fn every_workload_runs_without_errors_and_leaves_no_session() {
    let server = Server::start_with(&["--durability", "interval"]);
    for workload in ["web", "ycsb-a", "cache-90-10", "cache-80-20", "writes", "login"] {
        for lane in ["fast", "unary"] {
            let found = json(&bench(&server, &["--workload", workload, "--lane", lane, "--json"]));
            assert_eq!((&found["errors"], &found["errors_by_kind"]), (&0.into(), &serde_json::json!({})), "{workload}");
            let figure =
                |name: &str| found[name].as_f64().unwrap_or_else(|| panic!("{workload}: no {name} in {found}"));
            assert!(figure("ops_per_s") > 0.0 && figure("server_cpu_us_per_op") > 0.0);
            let latencies = ["p50_us", "p90_us", "p99_us", "p999_us", "max_us"].map(figure);
            assert!(latencies.is_sorted() && latencies[0] > 0.0, "{workload}: {latencies:?}");
            assert_eq!(found["settings"]["workload"], workload);
            assert_eq!(sessions_left(&server).await, 0, "{workload}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_get_a_table_and_a_drawing() {
    let server = Server::start_with(&["--durability", "interval"]);
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("latency.svg");
    let output = bench(&server, &["--svg", svg.to_str().unwrap(), "--keep", "--idle-connections", "3"]);
    let table = String::from_utf8(output.stdout).unwrap();
    for row in ["operations/s", "p99.9", "server CPU/operation", "per idle connection", "errors"] {
        assert!(table.contains(row), "{table}");
    }
    let drawing = std::fs::read_to_string(svg).unwrap();
    assert!(drawing.starts_with("<svg") && drawing.trim_end().ends_with("</svg>") && drawing.contains("polyline"));
    assert_eq!(sessions_left(&server).await, 200, "--keep keeps");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_fixed_rate_a_server_that_stands_still_shows_in_the_latencies() {
    const STILL: Duration = Duration::from_millis(400);
    let server = Server::start_with(&["--durability", "interval"]);
    let mut command = binary();
    command.args(["bench", "--addr", server.address(), "--json", "--rate", "500", "--sessions", "200"]);
    command.args(["--duration", "3s", "--warmup", "100ms"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let running: Child = command.spawn().unwrap();
    // The first event beyond the creations is an update of the measurement.
    let has_begun = async || server.client().statistics().await.unwrap().events_kept > 200;
    crate::common::eventually("the measurement begins", has_begun).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.signal(Signal::STOP);
    tokio::time::sleep(STILL).await;
    server.signal(Signal::CONT);
    let found = json(&running.wait_with_output().unwrap());
    let slowest = found["max_us"].as_f64().unwrap();
    assert!(slowest >= 0.9 * STILL.as_secs_f64() * 1e6, "{found}");
    // More than a tenth of the time was lost. Visitors that came meanwhile count with the time that they waited.
    assert!(found["p99_us"].as_f64().unwrap() >= 100_000.0, "{found}");
    assert!(found["operations"].as_f64().unwrap() >= 1_000.0, "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_ends_it() {
    // This is during the measurement, and so close to its end that no outage can become long.
    for duration in ["1h", "1500ms"] {
        let mut server = Server::start_with(&["--durability", "interval"]);
        let mut command = binary();
        command.args([
            "bench",
            "--addr",
            server.address(),
            "--sessions",
            "200",
            "--warmup",
            "0s",
            "--duration",
            duration,
        ]);
        let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The first event beyond the creations is an update of the measurement.
        let has_begun = async || server.client().statistics().await.unwrap().events_kept > 200;
        crate::common::eventually("the measurement begins", has_begun).await;
        server.kill();
        let ended = tokio::task::spawn_blocking(|| running.wait_with_output().unwrap()).await.unwrap();
        let [out, err] = [&ended.stdout, &ended.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        assert_eq!(ended.status.code(), Some(1), "{out}{err}");
        assert!(out.starts_with("stopped after") && out.contains("went away"), "{out}");
        assert!(err.contains("sessiond: stopped after"), "{err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_server_and_wrong_flags_are_told_in_one_line() {
    let told = |flags: &[&str]| {
        let output = binary().arg("bench").args(flags).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let missing = told(&["--addr", "127.0.0.1:1"]);
    assert!(
        missing.contains("no sessiond answers at 127.0.0.1:1") && missing.trim_end().lines().count() == 1,
        "{missing}"
    );
    assert!(told(&["--connections", "0"]).contains("a number from 1 to"));
    let server = Server::start();
    let redis = told(&["--addr", server.address(), "--against", "redis://127.0.0.1:1"]);
    assert!(redis.contains("127.0.0.1:1") && redis.trim_end().lines().count() == 1, "{redis}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_connections_raise_the_limit_of_open_files_and_name_it_if_it_can_t_be_raised() {
    let server = Server::start_with(&["--durability", "interval"]);
    let limited = |limit: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")]).arg(binary().get_program());
        command.args(["bench", "--addr", server.address(), "--json", "--idle-connections", "100"]).args(SHORT);
        command.output().unwrap()
    };
    let found = json(&limited("ulimit -S -n 40"));
    assert_eq!((&found["errors"], &found["settings"]["idle_connections"]), (&0.into(), &100.into()), "{found}");
    let refused = limited("ulimit -n 100");
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && told.trim_end().lines().count() == 1, "{told}");
    assert!(told.contains("102 connections need") && told.contains("no more than 100 here"), "{told}");
}

/// A Redis of the test's own, in its own folder.
struct Redis {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Redis {
    /// None where Redis is not installed.
    fn start() -> Option<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--save", "", "--dir"]).arg(folder.path()).stdout(Stdio::null());
        command.spawn().ok().map(|process| Self { process, port, _folder: folder })
    }

    fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "whoever runs the test is to know")]
async fn redis_does_the_same_beside_it_and_keeps_no_key() {
    let Some(redis) = Redis::start() else {
        println!("skipped: redis-server is not installed");
        return;
    };
    crate::common::eventually("Redis answers", async || {
        std::net::TcpStream::connect(("127.0.0.1", redis.port)).is_ok()
    })
    .await;
    let server = Server::start_with(&["--durability", "interval"]);
    for flags in [&["--workload", "login"][..], &["--redis-commands", "get"], &["--redis-pipeline", "16"]] {
        let against = ["--json", "--against", &redis.address()];
        let found = json(&bench(&server, &[flags, &against].concat()));
        assert_eq!((&found["errors"], &found["against"]["errors"]), (&0.into(), &0.into()), "{found}");
        for name in ["ops_per_s", "p50_us", "server_cpu_us_per_op"] {
            let figure = |of: &Json| of[name].as_f64().unwrap();
            let ratio = figure(&found) / figure(&found["against"]);
            assert!((figure(&found["ratio"]) / ratio - 1.0).abs() < 1e-6, "{found}");
        }
    }
    let mut keys = std::net::TcpStream::connect(("127.0.0.1", redis.port)).unwrap();
    std::io::Write::write_all(&mut keys, b"*1\r\n$6\r\nDBSIZE\r\n").unwrap();
    let mut answer = [0; 4];
    std::io::Read::read_exact(&mut keys, &mut answer).unwrap();
    assert_eq!(&answer, b":0\r\n");
}
