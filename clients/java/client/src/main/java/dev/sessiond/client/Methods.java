package dev.sessiond.client;

import dev.sessiond.v1.AdminGrpc;
import dev.sessiond.v1.BatchDeleteSessionsRequest;
import dev.sessiond.v1.BatchDeleteSessionsResponse;
import dev.sessiond.v1.BatchGetSessionsRequest;
import dev.sessiond.v1.BatchGetSessionsResponse;
import dev.sessiond.v1.Call;
import dev.sessiond.v1.CountSessionsRequest;
import dev.sessiond.v1.CountSessionsResponse;
import dev.sessiond.v1.CreateSessionRequest;
import dev.sessiond.v1.CreateSessionResponse;
import dev.sessiond.v1.DeleteSessionRequest;
import dev.sessiond.v1.DeleteSessionResponse;
import dev.sessiond.v1.GetSessionRequest;
import dev.sessiond.v1.GetSessionResponse;
import dev.sessiond.v1.GetStatisticsRequest;
import dev.sessiond.v1.GetStatisticsResponse;
import dev.sessiond.v1.IssueCsrfTokenRequest;
import dev.sessiond.v1.IssueCsrfTokenResponse;
import dev.sessiond.v1.IssueHandoffRequest;
import dev.sessiond.v1.IssueHandoffResponse;
import dev.sessiond.v1.ListSessionsRequest;
import dev.sessiond.v1.ListSessionsResponse;
import dev.sessiond.v1.LockSessionRequest;
import dev.sessiond.v1.LockSessionResponse;
import dev.sessiond.v1.RedeemHandoffRequest;
import dev.sessiond.v1.RedeemHandoffResponse;
import dev.sessiond.v1.Reply;
import dev.sessiond.v1.RevokeSessionsRequest;
import dev.sessiond.v1.RevokeSessionsResponse;
import dev.sessiond.v1.RotateSessionRequest;
import dev.sessiond.v1.RotateSessionResponse;
import dev.sessiond.v1.SessionStoreGrpc;
import dev.sessiond.v1.SweepNowRequest;
import dev.sessiond.v1.SweepNowResponse;
import dev.sessiond.v1.TouchSessionRequest;
import dev.sessiond.v1.TouchSessionResponse;
import dev.sessiond.v1.UnlockSessionRequest;
import dev.sessiond.v1.UnlockSessionResponse;
import dev.sessiond.v1.UpdateSessionRequest;
import dev.sessiond.v1.UpdateSessionResponse;
import dev.sessiond.v1.VerifyCsrfTokenRequest;
import dev.sessiond.v1.VerifyCsrfTokenResponse;

/** The methods of the contract that have a single answer, and whether twice is the same as once. */
final class Methods {
    static final Method<CreateSessionRequest, CreateSessionResponse> CREATE = new Method<>(
            SessionStoreGrpc.getCreateSessionMethod(),
            false,
            new Method.OnLane<>(Call.Builder::setCreate, Reply.ResultCase.CREATE, Reply::getCreate));
    static final Method<GetSessionRequest, GetSessionResponse> GET = new Method<>(
            SessionStoreGrpc.getGetSessionMethod(),
            true,
            new Method.OnLane<>(Call.Builder::setGet, Reply.ResultCase.GET, Reply::getGet));
    static final Method<UpdateSessionRequest, UpdateSessionResponse> UPDATE = new Method<>(
            SessionStoreGrpc.getUpdateSessionMethod(),
            false,
            new Method.OnLane<>(Call.Builder::setUpdate, Reply.ResultCase.UPDATE, Reply::getUpdate));
    static final Method<TouchSessionRequest, TouchSessionResponse> TOUCH = new Method<>(
            SessionStoreGrpc.getTouchSessionMethod(),
            true,
            new Method.OnLane<>(Call.Builder::setTouch, Reply.ResultCase.TOUCH, Reply::getTouch));
    static final Method<RotateSessionRequest, RotateSessionResponse> ROTATE = new Method<>(
            SessionStoreGrpc.getRotateSessionMethod(),
            false,
            new Method.OnLane<>(Call.Builder::setRotate, Reply.ResultCase.ROTATE, Reply::getRotate));
    static final Method<DeleteSessionRequest, DeleteSessionResponse> DELETE = new Method<>(
            SessionStoreGrpc.getDeleteSessionMethod(),
            false,
            new Method.OnLane<>(Call.Builder::setDelete, Reply.ResultCase.DELETE, Reply::getDelete));
    static final Method<BatchGetSessionsRequest, BatchGetSessionsResponse> BATCH_GET =
            new Method<>(SessionStoreGrpc.getBatchGetSessionsMethod(), true);
    static final Method<BatchDeleteSessionsRequest, BatchDeleteSessionsResponse> BATCH_DELETE =
            new Method<>(SessionStoreGrpc.getBatchDeleteSessionsMethod(), false);
    static final Method<ListSessionsRequest, ListSessionsResponse> LIST =
            new Method<>(SessionStoreGrpc.getListSessionsMethod(), true);
    static final Method<CountSessionsRequest, CountSessionsResponse> COUNT =
            new Method<>(SessionStoreGrpc.getCountSessionsMethod(), true);
    static final Method<RevokeSessionsRequest, RevokeSessionsResponse> REVOKE =
            new Method<>(SessionStoreGrpc.getRevokeSessionsMethod(), false);
    static final Method<LockSessionRequest, LockSessionResponse> LOCK =
            new Method<>(SessionStoreGrpc.getLockSessionMethod(), false);
    static final Method<UnlockSessionRequest, UnlockSessionResponse> UNLOCK =
            new Method<>(SessionStoreGrpc.getUnlockSessionMethod(), false);
    static final Method<IssueHandoffRequest, IssueHandoffResponse> ISSUE_HANDOFF =
            new Method<>(SessionStoreGrpc.getIssueHandoffMethod(), false);
    static final Method<RedeemHandoffRequest, RedeemHandoffResponse> REDEEM_HANDOFF =
            new Method<>(SessionStoreGrpc.getRedeemHandoffMethod(), false);
    static final Method<IssueCsrfTokenRequest, IssueCsrfTokenResponse> ISSUE_CSRF =
            new Method<>(SessionStoreGrpc.getIssueCsrfTokenMethod(), true);
    static final Method<VerifyCsrfTokenRequest, VerifyCsrfTokenResponse> VERIFY_CSRF =
            new Method<>(SessionStoreGrpc.getVerifyCsrfTokenMethod(), true);
    static final Method<GetStatisticsRequest, GetStatisticsResponse> STATISTICS =
            new Method<>(AdminGrpc.getGetStatisticsMethod(), true);
    static final Method<SweepNowRequest, SweepNowResponse> SWEEP = new Method<>(AdminGrpc.getSweepNowMethod(), false);

    private Methods() {}
}
