//! What callers may do, for every method of the contract.

use super::RULES;
use crate::common::access::{AccessFiles, WithHeader, stub_with};
use crate::common::metrics::scrape;
use crate::common::{Server, reason};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use sessiond::proto::FILE_DESCRIPTOR_SET;
use sessiond_client::proto::call::Method;
use sessiond_client::proto::reply::Result as Answer;
use sessiond_client::proto::revoke_sessions_request::Scope;
use sessiond_client::proto::{
    Call, CountSessionsRequest, CreateSessionRequest, ExchangeRequest, GetSessionRequest, ListSessionsRequest,
    NamespaceScope, PrincipalScope, RevokeSessionsRequest, WatchSessionsRequest,
};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::service::Interceptor as _;
use tonic::{Code, Request, Status};

/// Every method of the contract: its path, and whether it begins with a stream of the caller.
fn methods() -> Vec<(String, bool)> {
    let contract = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let files = contract.file.iter().filter(|file| file.package() == "sessiond.v1");
    let methods = files.flat_map(|file| &file.service).flat_map(|service| {
        let path = |method: &prost_types::MethodDescriptorProto| {
            (format!("/sessiond.v1.{}/{}", service.name(), method.name()), method.client_streaming())
        };
        service.method.iter().map(path).collect::<Vec<_>>()
    });
    methods.collect()
}

/// Calls a method with an empty message, and returns how it ends. The messages of a stream are of no interest.
async fn call(server: &Server, path: &str, header: Option<WithHeader>) -> Result<(), Status> {
    let mut stub = tonic::client::Grpc::new(server.channel());
    stub.ready().await.unwrap();
    let mut request = Request::new(());
    if let Some(mut header) = header {
        request = header.call(request)?;
    }
    let (metadata, extensions, ()) = request.into_parts();
    let request = Request::from_parts(metadata, extensions, tokio_stream::once(()));
    let path: PathAndQuery = path.parse().unwrap();
    let answer = stub.streaming(request, path, tonic_prost::ProstCodec::<(), ()>::default()).await?;
    let mut messages = answer.into_inner();
    while messages.message().await?.is_some() {}
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_method_is_open_to_whoever_has_no_part_in_it() {
    let files = AccessFiles::new(
        "[caller.other]\nallow = [{ namespaces = [\"other\"], may = [\"application\", \"namespace\"] }]\n",
    );
    let token = files.token("other");
    let server = files.serve(&[]);
    for (path, is_stream) in methods() {
        let nobody = call(&server, &path, None).await.unwrap_err();
        assert_eq!((nobody.code(), reason(&nobody).as_str()), (Code::Unauthenticated, "UNAUTHENTICATED"), "{path}");
        // Without a namespace a call is about the namespace "default", or about the whole server.
        let header = WithHeader::bearer(token.reveal());
        let ended = call(&server, &path, Some(header)).await;
        if path.ends_with("/Exchange") {
            assert!(is_stream && ended.is_ok(), "its calls are denied one by one: {ended:?}");
            continue;
        }
        let denied = ended.unwrap_err();
        assert_eq!((denied.code(), reason(&denied).as_str()), (Code::PermissionDenied, "PERMISSION_DENIED"), "{path}");
        assert!(denied.message().starts_with("the caller other has no permission "), "{denied:?}");
    }
    for method in ["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/no.such.Service/Method"] {
        assert_eq!(call(&server, method, None).await.unwrap_err().code(), Code::Unauthenticated, "{method}");
    }
    assert!(server.log().contains("\"caller\":\"other\""), "{}", server.log());
    assert!(!server.log().contains(token.reveal()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_has_its_namespace_and_no_other() {
    let files = AccessFiles::new(RULES);
    let token = files.token("shop");
    let server = files.serve(&["--metrics-listen", "127.0.0.1:0"]);
    let mut stub = stub_with(server.channel(), &token);
    let created = |namespace: &str| CreateSessionRequest {
        namespace: namespace.into(),
        principal: "ann".into(),
        ..CreateSessionRequest::default()
    };
    let id = stub.create_session(created("shop")).await.unwrap().into_inner().session_id;
    let denied = stub.create_session(created("blog")).await.unwrap_err();
    assert_eq!(denied.message(), "the caller shop has no permission sessions in the namespace blog");

    // On a stream each call is judged by its own namespace.
    let get = |tag, namespace: &str| Call {
        tag,
        timeout: None,
        trace_context: None,
        method: Some(Method::Get(GetSessionRequest {
            namespace: namespace.into(),
            session_id: id.clone(),
            ..GetSessionRequest::default()
        })),
    };
    let calls = ExchangeRequest { calls: vec![get(1, "shop"), get(2, "blog"), get(3, "shop")] };
    let mut replies = stub.exchange(tokio_stream::once(calls)).await.unwrap().into_inner();
    let mut codes = Vec::new();
    while let Some(message) = replies.message().await.unwrap() {
        codes.extend(message.replies.into_iter().map(|reply| match reply.result.unwrap() {
            Answer::Error(error) => (reply.tag, Code::from_i32(error.code)),
            _ => (reply.tag, Code::Ok),
        }));
    }
    codes.sort_unstable_by_key(|(tag, _)| *tag);
    assert_eq!(codes, [(1, Code::Ok), (2, Code::PermissionDenied), (3, Code::Ok)]);

    // The sessions of a user are an application's, all of a namespace are not.
    let namespace = || "shop".to_owned();
    let listed = |principal: &str| ListSessionsRequest {
        namespace: namespace(),
        principal: principal.into(),
        ..ListSessionsRequest::default()
    };
    assert_eq!(stub.list_sessions(listed("ann")).await.unwrap().into_inner().sessions.len(), 1);
    assert_eq!(stub.list_sessions(listed("")).await.unwrap_err().code(), Code::PermissionDenied);
    let counted = |principal: &str| CountSessionsRequest { namespace: namespace(), principal: principal.into() };
    assert_eq!(stub.count_sessions(counted("ann")).await.unwrap().into_inner().count, 1);
    assert_eq!(stub.count_sessions(counted("")).await.unwrap_err().code(), Code::PermissionDenied);
    let revoked = |scope| RevokeSessionsRequest { namespace: namespace(), scope: Some(scope) };
    let all = Scope::WholeNamespace(NamespaceScope::default());
    assert_eq!(stub.revoke_sessions(revoked(all)).await.unwrap_err().code(), Code::PermissionDenied);
    let of_ann = Scope::Principal(PrincipalScope { principal: "ann".into(), ..PrincipalScope::default() });
    assert_eq!(stub.revoke_sessions(revoked(of_ann)).await.unwrap().into_inner().revoked, 1);
    let everywhere = WatchSessionsRequest { all_namespaces: true, ..WatchSessionsRequest::default() };
    assert_eq!(stub.watch_sessions(everywhere).await.unwrap_err().code(), Code::PermissionDenied);

    let metrics = scrape(server.metrics_address());
    for (permission, denied) in [("sessions", 2.0), ("namespace", 3.0), ("watch", 1.0)] {
        let name = format!("sessiond_denied_calls_total{{caller=\"shop\",permission=\"{permission}\"}}");
        assert!((metrics.value(&name) - denied).abs() < 0.5, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_every_session_and_reads_none() {
    let files = AccessFiles::new(RULES);
    let [shop, ops] = ["shop", "ops"].map(|caller| files.token(caller));
    let server = files.serve(&[]);
    let created = CreateSessionRequest { namespace: "shop".into(), ..CreateSessionRequest::default() };
    let id = stub_with(server.channel(), &shop).create_session(created).await.unwrap().into_inner().session_id;
    let mut stub = stub_with(server.channel(), &ops);
    let all = ListSessionsRequest { namespace: "shop".into(), ..ListSessionsRequest::default() };
    assert_eq!(stub.list_sessions(all).await.unwrap().into_inner().sessions.len(), 1);
    let get = GetSessionRequest { namespace: "shop".into(), session_id: id, ..GetSessionRequest::default() };
    assert_eq!(stub.get_session(get).await.unwrap_err().code(), Code::PermissionDenied);
    for path in ["GetStatistics", "SweepNow", "Verify", "Backup"] {
        let header = WithHeader::bearer(ops.reveal());
        call(&server, &format!("/sessiond.v1.Admin/{path}"), Some(header)).await.unwrap();
    }
}
