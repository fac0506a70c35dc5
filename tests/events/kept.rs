//! How far back the history goes.

use crate::common::tokens::{sequence_in, token_of};
use crate::common::{Server, eventually, reason};
use crate::watching::{collect, lively};
use sessiond_client::Error;
use sessiond_client::proto::{CreateSessionRequest, SessionChange};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_kept_is_refused() {
    let mut server = Server::start_with(&["--event-history-count", "1000", "--durability", "interval"]);
    let client = server.client();
    let mut live = client.watch(lively()).await.unwrap();
    let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
    for n in 0..2_000 {
        client.update(&id, SessionChange::new().set("n", n)).await.unwrap();
    }
    let sequences: Vec<u64> =
        collect(&client, &mut live).await.iter().map(|event| sequence_in(&event.resume_token)).collect();
    assert_eq!(sequences.len(), 2_001);
    let gone = async |after: u64| client.watch(lively().resume(token_of(after))).await.err() == Some(Error::EventsGone);
    eventually("the history is trimmed", async || gone(sequences[999]).await).await;
    for after in [0, sequences[0], sequences[500]] {
        assert!(gone(after).await, "after {after}");
    }
    // The count that the setting promises is there, to the event.
    let mut watch = client.watch(lively().resume(token_of(sequences[1_000]))).await.unwrap();
    let kept: Vec<u64> =
        collect(&client, &mut watch).await.iter().map(|event| sequence_in(&event.resume_token)).collect();
    assert_eq!(kept, sequences[1_001..]);
    // A future that this server has not promised.
    for future in [sequences[2_000] + 1_000_000, u64::MAX] {
        let status = server.stub().watch_sessions(lively().resume(token_of(future))).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::OutOfRange, "EVENTS_GONE"));
    }
    server.stop();
    server.restart();
    let client = server.client();
    assert_eq!(client.watch(lively().resume(token_of(sequences[500]))).await.err(), Some(Error::EventsGone));
    let mut watch = client.watch(lively().resume(token_of(sequences[1_500]))).await.unwrap();
    assert_eq!(collect(&client, &mut watch).await.len(), 500);
}
