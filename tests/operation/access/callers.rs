//! How callers are known.

use super::RULES;
use crate::common::access::{AccessFiles, WithHeader, stub_with};
use crate::common::metrics::scrape;
use crate::common::tls::Certificates;
use crate::common::{LONG, Run, Server, binary, run};
use sessiond_client::proto::session_store_client::SessionStoreClient;
use sessiond_client::proto::{CreateSessionRequest, GetSessionRequest};
use sessiond_client::{Client, Health, Lane, RetryPolicy};
use std::os::unix::fs::MetadataExt;
use tonic::Code;

fn in_shop() -> sessiond_client::proto::CreateSessionRequest {
    CreateSessionRequest { namespace: "shop".into(), ..CreateSessionRequest::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_and_judged() {
    let files = AccessFiles::new(RULES);
    let token = files.token("shop");
    let unowned = files.token("nobody");
    let server = files.serve(&["--metrics-listen", "127.0.0.1:0"]);
    stub_with(server.channel(), &token).create_session(in_shop()).await.unwrap();

    let wrong = |value: &str| {
        let value = WithHeader::authorization(value);
        let mut stub = SessionStoreClient::with_interceptor(server.channel(), value);
        async move { stub.create_session(in_shop()).await.unwrap_err() }
    };
    let changed = token.reveal().replace('_', "-");
    let shown = [format!("Bearer {changed}"), format!("Bearer {}", unowned.reveal()), "Bearer ".into()];
    for value in &shown {
        let status = wrong(value).await;
        assert_eq!(status.code(), Code::Unauthenticated);
        assert_eq!(status.message(), "the token is unknown, revoked or expired");
    }
    let basic = wrong("Basic abc").await;
    assert_eq!(basic.message(), "the header authorization must be one, of the form: Bearer TOKEN");
    let none = server.stub().create_session(in_shop()).await.unwrap_err();
    assert!(none.message().starts_with("nothing tells who calls; send a token"), "{none:?}");

    let metrics = scrape(server.metrics_address());
    assert!(metrics.value("sessiond_unauthenticated_calls_total") > 4.5);
    for secret in [&changed, token.reveal(), unowned.reveal()] {
        assert!(!server.log().contains(secret), "{}", server.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_probes_need_no_caller() {
    let files = AccessFiles::new(RULES);
    let server = files.serve(&[]);
    assert_eq!(server.client().health("").await.unwrap(), Health::Serving);
    assert_eq!(server.client().health("sessiond.access").await.unwrap(), Health::Serving);
    let Run { code, stderr, .. } = run(binary().args(["health", "--addr", server.address()]));
    assert_eq!(code, Some(0), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_tells_who_calls_and_a_token_goes_before_it() {
    let certificates = Certificates::new();
    let files = AccessFiles::new(RULES);
    let mut flags = certificates.server_flags();
    flags.extend(["--tls-client-ca".to_owned(), certificates.name("ca.pem")]);
    let server = files.serve(&flags.iter().map(String::as_str).collect::<Vec<_>>());
    let address = server.address().replace("tls://", "https://");
    for lane in [Lane::Auto, Lane::Unary] {
        let client = Client::builder().address(&address).tls(certificates.client_with("client")).lane(lane);
        let client = client.namespace("shop").deadline(LONG).retry(RetryPolicy::never()).connect_lazy().unwrap();
        let id = client.create(CreateSessionRequest::new()).await.unwrap().session_id;
        client.get(GetSessionRequest::new(id)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_a_process_tells_who_calls() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().metadata().unwrap();
    let rule = "allow = [{ namespaces = [\"shop\"], may = [\"sessions\"] }]";
    for (sign, is_let_in) in [
        (format!("users = [{}]", own.uid()), true),
        (format!("groups = [{}]", own.gid()), true),
        (format!("users = [{}]\ngroups = [{}]", own.uid() + 1, own.gid() + 1), false),
    ] {
        let files = AccessFiles::new(&format!("[caller.local]\n{sign}\n{rule}\n"));
        let socket = format!("unix:{}", folder.path().join("socket").display());
        let server: Server = files.serve(&["--listen", &socket]);
        let made = run(binary().args(["create", "--namespace", "shop", "--addr", server.address()]));
        assert_eq!(made.code == Some(0), is_let_in, "{sign}: {}", made.stderr);
        assert_eq!(made.stderr.contains("nothing tells who calls"), !is_let_in, "{}", made.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anyone_can_be_a_caller() {
    let rules = "[caller.all]\nanyone = true\nallow = [{ namespaces = [\"shop\"], may = [\"sessions\"] }]\n";
    let files = AccessFiles::new(rules);
    let server = files.serve(&[]);
    server.stub().create_session(in_shop()).await.unwrap();
    let elsewhere = server.stub().create_session(CreateSessionRequest::default()).await.unwrap_err();
    assert_eq!(elsewhere.code(), Code::PermissionDenied);
    // Who shows a token is judged by it alone.
    let stub = WithHeader::bearer("sdt_x");
    let mut stub = SessionStoreClient::with_interceptor(server.channel(), stub);
    assert_eq!(stub.create_session(in_shop()).await.unwrap_err().code(), Code::Unauthenticated);
}
