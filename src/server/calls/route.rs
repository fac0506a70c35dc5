//! What kind of call a path names, as far as the server has to know before it begins.

use crate::config::Settings;
use crate::proto::admin_server::SERVICE_NAME as ADMIN;
use crate::proto::session_store_server::SERVICE_NAME as STORE;
use crate::service::Rpc;
use tonic_health::pb::health_server::SERVICE_NAME as HEALTH;

/// The service that a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Target {
    Store,
    Admin,
    Health,
    /// Reflection, or none at all.
    Other,
}

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) struct Route {
    pub(super) target: Target,
    /// The method, for those who count.
    pub(in crate::server) rpc: Rpc,
    /// The caller sends any number of messages, instead of one.
    pub(super) asks_in_stream: bool,
    /// The server answers with any number of messages, instead of one.
    pub(super) answers_in_stream: bool,
    pub(in crate::server) answer: AnswerSize,
}

/// How large an answer can be, for as long as it is being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum AnswerSize {
    /// It has no session's data.
    Small,
    /// It has one session's data.
    Session,
    /// It has as many sessions as fit into a message.
    Message,
    /// It may have one session's data, but most of these calls wait for something else: the service finds room itself when
    /// it has done so.
    SessionInTheEnd,
}

impl Route {
    pub(in crate::server) fn of(path: &str) -> Self {
        let mut parts = path.trim_start_matches('/').split('/');
        let (service, method) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let target = match service {
            STORE => Target::Store,
            ADMIN => Target::Admin,
            HEALTH => Target::Health,
            _ => Target::Other,
        };
        let rpc = rpc_of(target, method);
        let (asks_in_stream, answers_in_stream) = match rpc {
            Rpc::Exchange => (true, true),
            Rpc::Restore => (true, false),
            Rpc::WatchSessions | Rpc::Backup | Rpc::Verify | Rpc::HealthWatch => (false, true),
            _ => (target == Target::Other, target == Target::Other),
        };
        let answer = match rpc {
            Rpc::GetSession | Rpc::RedeemHandoff => AnswerSize::Session,
            Rpc::LockSession => AnswerSize::SessionInTheEnd,
            Rpc::BatchGetSessions | Rpc::BatchDeleteSessions | Rpc::ListSessions => AnswerSize::Message,
            _ => AnswerSize::Small,
        };
        Self { target, rpc, asks_in_stream, answers_in_stream, answer }
    }

    /// Whether the call may last for as long as its caller likes.
    pub(super) fn is_stream(self) -> bool {
        self.asks_in_stream || self.answers_in_stream
    }

    /// Whether the service looks itself at what the call holds of its connection's share.
    pub(super) fn needs_received_messages(self) -> bool {
        self.is_stream() || self.answer == AnswerSize::SessionInTheEnd
    }
}

fn rpc_of(target: Target, method: &str) -> Rpc {
    match (target, method) {
        (Target::Store, "GetSession") => Rpc::GetSession,
        (Target::Store, "CreateSession") => Rpc::CreateSession,
        (Target::Store, "UpdateSession") => Rpc::UpdateSession,
        (Target::Store, "TouchSession") => Rpc::TouchSession,
        (Target::Store, "RotateSession") => Rpc::RotateSession,
        (Target::Store, "DeleteSession") => Rpc::DeleteSession,
        (Target::Store, "BatchGetSessions") => Rpc::BatchGetSessions,
        (Target::Store, "BatchDeleteSessions") => Rpc::BatchDeleteSessions,
        (Target::Store, "ListSessions") => Rpc::ListSessions,
        (Target::Store, "CountSessions") => Rpc::CountSessions,
        (Target::Store, "RevokeSessions") => Rpc::RevokeSessions,
        (Target::Store, "WatchSessions") => Rpc::WatchSessions,
        (Target::Store, "LockSession") => Rpc::LockSession,
        (Target::Store, "UnlockSession") => Rpc::UnlockSession,
        (Target::Store, "IssueHandoff") => Rpc::IssueHandoff,
        (Target::Store, "RedeemHandoff") => Rpc::RedeemHandoff,
        (Target::Store, "IssueCsrfToken") => Rpc::IssueCsrfToken,
        (Target::Store, "VerifyCsrfToken") => Rpc::VerifyCsrfToken,
        (Target::Store, "Exchange") => Rpc::Exchange,
        (Target::Admin, "GetStatistics") => Rpc::GetStatistics,
        (Target::Admin, "SweepNow") => Rpc::SweepNow,
        (Target::Admin, "Verify") => Rpc::Verify,
        (Target::Admin, "Backup") => Rpc::Backup,
        (Target::Admin, "Restore") => Rpc::Restore,
        (Target::Health, "Check") => Rpc::HealthCheck,
        (Target::Health, "Watch") => Rpc::HealthWatch,
        _ => Rpc::Other,
    }
}

impl AnswerSize {
    /// The bytes, at most.
    pub(in crate::server) fn bytes(self, settings: &Settings) -> usize {
        match self {
            Self::Small | Self::SessionInTheEnd => 0,
            Self::Session => {
                let policies = settings.namespaces.values().chain([&settings.policy]);
                policies.map(|policy| policy.max_session_size).max().unwrap_or_default()
            }
            Self::Message => settings.max_message_size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::FILE_DESCRIPTOR_SET;
    use prost::Message;
    use prost_types::FileDescriptorSet;

    #[test]
    fn the_contract_says_which_calls_are_streams() {
        let contract = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the build made it");
        let mut methods = 0;
        for file in contract.file.iter().filter(|file| file.package() == "sessiond.v1") {
            for service in &file.service {
                for method in &service.method {
                    let route = Route::of(&format!("/{}.{}/{}", file.package(), service.name(), method.name()));
                    let streams = (method.client_streaming(), method.server_streaming());
                    assert_eq!((route.asks_in_stream, route.answers_in_stream), streams, "{}", method.name());
                    assert_eq!((route.rpc.name(), route.rpc.is_stream()), (method.name(), streams != (false, false)));
                    methods += 1;
                }
            }
        }
        assert!(methods > 20, "{methods}");
    }

    #[test]
    fn what_is_no_service_is_another() {
        for path in ["", "/", "//", "/x", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] {
            assert_eq!(Route::of(path).target, Target::Other, "{path}");
        }
        assert_eq!(Route::of("/grpc.health.v1.Health/Check").target, Target::Health);
    }
}
