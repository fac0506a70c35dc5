//! Tests that set the clock while the server is stopped.

use crate::common::faketime::FakeTime;
use crate::common::notify_socket::NotifySocket;
use crate::common::{Server, binary, eventually, run};
use crate::time::{DAY, HOUR, create, is_live, lifetime, restart_machine, start};
use sessiond_client::Error;
use sessiond_client::proto::SessionChange;
use std::time::Duration;
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_stays_so_with_a_clock_that_is_behind_at_the_start() {
    let clock = FakeTime::off_by(0);
    let mut server = start(&clock);
    let client = server.client();
    let id = create(&client, Duration::from_secs(2)).await;
    eventually("the session ends", async || !is_live(&client, &id).await).await;
    server.kill();
    clock.set_off_by(-DAY);
    server.restart();
    let client = server.client();
    assert_eq!(client.get(&id).await, Err(Error::SessionNotFound));
    assert_eq!(client.update(&id, SessionChange::new().set("a", 1)).await, Err(Error::SessionNotFound));
    lifetime(&client, Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_ahead_while_the_server_restarts_ends_nothing() {
    let clock = FakeTime::off_by(0);
    let mut server = start(&clock);
    let client = server.client();
    let long = create(&client, Duration::from_secs(600)).await;
    server.kill();
    clock.set_off_by(DAY);
    server.restart();
    let client = server.client();
    assert!(is_live(&client, &long).await);
    lifetime(&client, Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_stays_so_when_the_machine_starts_with_a_clock_that_is_behind() {
    let clock = FakeTime::off_by(0);
    let mut server = start(&clock);
    let client = server.client();
    let ended = create(&client, Duration::from_secs(2)).await;
    let long = create(&client, Duration::from_secs(3 * 60 * 60)).await;
    eventually("the session ends", async || !is_live(&client, &ended).await).await;
    server.kill();
    restart_machine(&server);
    clock.set_off_by(-DAY);
    server.restart();
    assert!(server.log().contains("behind the newest time that this data has seen"), "{}", server.log());
    let client = server.client();
    assert!(!is_live(&client, &ended).await && is_live(&client, &long).await);
    let statistics = client.statistics().await.unwrap();
    assert_eq!(statistics.clock_steps, 1);
    let ahead = statistics.clock_ahead.unwrap().seconds;
    assert!((DAY..DAY + 60).contains(&ahead), "{ahead} s ahead");
    lifetime(&client, Duration::from_secs(2)).await;
    // NTP finds the right time: the server was stopped for four hours.
    clock.set_off_by(4 * HOUR);
    eventually("the time of sessions catches up", async || !is_live(&client, &long).await).await;
    assert!(server.log().contains("which was behind at the start"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_ahead_when_the_machine_starts_is_warned_of_and_followed() {
    let clock = FakeTime::off_by(0);
    let mut server = start(&clock);
    let client = server.client();
    let id = create(&client, Duration::from_secs(60 * 60)).await;
    server.stop();
    restart_machine(&server);
    clock.set_off_by(2 * HOUR);
    server.restart();
    assert!(server.log().contains("sessions that ended meanwhile are swept"), "{}", server.log());
    assert!(!is_live(&server.client(), &id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_limit_waits_for_the_right_time() {
    let clock = FakeTime::off_by(0);
    let flags = ["--clock-jump-limit", "1h"];
    let mut server = Server::start_under(tempfile::tempdir().unwrap(), clock.environment(), &flags);
    let id = create(&server.client(), Duration::from_secs(60 * 60)).await;
    server.kill();
    restart_machine(&server);
    clock.set_off_by(DAY);
    let restart = tokio::task::spawn_blocking(move || {
        server.restart();
        server
    });
    sleep(Duration::from_secs(2)).await;
    assert!(!restart.is_finished(), "it is ready with a clock that is a day ahead");
    clock.set_off_by(0);
    let mut server = restart.await.unwrap();
    let log = server.log();
    assert!(log.contains("which clock-jump-limit does not allow") && log.contains("is right now"), "{log}");
    assert!(is_live(&server.client(), &id).await);

    // A server that is told that the clock is right follows it.
    server.kill();
    restart_machine(&server);
    clock.set_off_by(DAY);
    server.restart_with(&["--clock-jump-limit", "none"]);
    assert!(!is_live(&server.client(), &id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_waits_for_the_right_time_does_not_say_that_it_is_ready() {
    let clock = FakeTime::off_by(0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = NotifySocket::bind(&path);
    let mut environment = clock.environment();
    environment.push(("NOTIFY_SOCKET".to_owned(), path.to_str().unwrap().to_owned()));
    let mut server = Server::start_under(folder, environment, &["--clock-jump-limit", "1h"]);
    manager.wait_for("READY=1");
    server.kill();
    restart_machine(&server);
    clock.set_off_by(DAY);
    let restart = tokio::task::spawn_blocking(move || {
        server.restart();
        server
    });
    manager.wait_for("STATUS=opening the data");
    assert_eq!(manager.next(Duration::from_secs(2)), None);
    clock.set_off_by(0);
    let _server = restart.await.unwrap();
    manager.wait_for("READY=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_had_expired_in_a_backup_stays_so_under_a_clock_that_is_behind() {
    let clock = FakeTime::off_by(0);
    let mut server = start(&clock);
    let client = server.client();
    let id = create(&client, Duration::from_secs(1)).await;
    eventually("the session ends", async || !is_live(&client, &id).await).await;
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    let command = |arguments: &[&str]| {
        let ran = run(binary().args(arguments));
        assert_eq!(ran.code, Some(0), "{ran:?}");
    };
    command(&["backup", backup.to_str().unwrap(), "--addr", server.address()]);
    server.kill();
    let behind = FakeTime::off_by(-DAY);
    // The backup is restored into a folder, and into a running server.
    let data = folder.path().join("data");
    command(&["restore", backup.to_str().unwrap(), "--data-dir", data.to_str().unwrap()]);
    let flags = ["--sweep-interval", "10m"];
    let restored = Server::start_under(folder, behind.environment(), &flags);
    assert!(!is_live(&restored.client(), &id).await);
    let running = start(&behind);
    let backup = restored.data().with_file_name("backup");
    command(&["restore", backup.to_str().unwrap(), "--server", running.address()]);
    assert!(!is_live(&running.client(), &id).await);
}
