//! Tests that set the clock while the server runs.

use crate::common::eventually;
use crate::common::faketime::FakeTime;
use crate::time::{HOUR, create, is_live, lifetime, start};
use sessiond_client::Error;
use sessiond_client::proto::{IssueHandoffRequest, LockSessionRequest, RedeemHandoffRequest, SessionChange};
use std::time::{Duration, Instant};
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_on_time_when_the_clock_is_set_back() {
    let clock = FakeTime::off_by(0);
    let server = start(&clock);
    let client = server.client();
    let idle = Duration::from_secs(2);
    let before = Instant::now();
    let id = create(&client, idle).await;
    clock.set_off_by(-HOUR);
    eventually("the session made before the step ends", async || !is_live(&client, &id).await).await;
    assert!(before.elapsed() > idle * 9 / 10, "it ended after {:?}", before.elapsed());
    let lived = lifetime(&client, idle).await;
    assert!(lived > idle * 9 / 10, "a session made after the step ended after {lived:?}");
    assert_eq!(client.sweep_now().await, Ok(2), "and both are swept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blip_of_the_clock_ends_nothing_and_keeps_nothing_alive() {
    let clock = FakeTime::off_by(0);
    let mut server = start(&clock);
    let client = server.client();
    let long = create(&client, Duration::from_secs(600)).await;
    clock.set_off_by(5 * HOUR);
    // This is long enough for a server that looks at the clock once a second, as this one does.
    for _ in 0..30 {
        assert!(is_live(&client, &long).await, "it ended with the blip");
        client.update(&long, SessionChange::new().set("seen", 1)).await.unwrap();
        sleep(Duration::from_millis(100)).await;
    }
    clock.set_off_by(0);
    let idle = Duration::from_secs(2);
    lifetime(&client, idle).await;
    server.kill();
    server.restart();
    let client = server.client();
    assert!(is_live(&client, &long).await);
    lifetime(&client, idle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_and_tickets_end_on_time_when_the_clock_is_set_back() {
    let clock = FakeTime::off_by(0);
    let server = start(&clock);
    let client = server.client();
    let id = create(&client, Duration::from_secs(600)).await;
    let ticket =
        client.issue_handoff(IssueHandoffRequest::new(&id, "shop").lifetime(Duration::from_secs(1))).await.unwrap();
    let lock = || LockSessionRequest::new(&id).lease(Duration::from_secs(1));
    client.lock(lock()).await.unwrap();
    clock.set_off_by(-HOUR);
    eventually("the lease ends", async || client.lock(lock()).await.is_ok()).await;
    eventually("the ticket's second is over", async || client.lock(lock()).await.is_ok()).await;
    let redeemed = client.redeem_handoff(RedeemHandoffRequest::new(&ticket.ticket, "shop")).await;
    assert_eq!(redeemed.map(drop), Err(Error::HandoffInvalid));
}
