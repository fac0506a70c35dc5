//! Cross-domain sign-on.

use crate::authorization::{Caller, Permission};
use crate::proto::{IssueHandoffRequest, IssueHandoffResponse, RedeemHandoffRequest, RedeemHandoffResponse};
use crate::service::convert::answer::{session, timestamp};
use crate::service::convert::request;
use crate::service::store::StoreService;
use crate::session::Redemption;
use tonic::Status;

impl StoreService {
    pub(in crate::service) async fn issue_handoff_ticket(
        &self,
        caller: &Caller,
        request: IssueHandoffRequest,
    ) -> Result<IssueHandoffResponse, Status> {
        let sessions = self.sessions()?;
        let namespace = request::namespace(caller, Permission::Sessions, request.namespace)?;
        let id = request::session_id("session_id", request.session_id)?;
        let audience = request::audience(request.audience)?;
        let lifetime = request::ticket_lifetime(request.lifetime)?;
        let (handle, ticket, expires_at) = sessions.issue_handoff(&namespace, &id, audience, lifetime).await?;
        caller.note(|notes| notes.handle = Some(handle));
        Ok(IssueHandoffResponse { ticket: ticket.reveal(), expire_time: Some(timestamp(expires_at)) })
    }

    pub(in crate::service) async fn redeem_handoff_ticket(
        &self,
        caller: &Caller,
        request: RedeemHandoffRequest,
    ) -> Result<RedeemHandoffResponse, Status> {
        let sessions = self.sessions()?;
        let redemption = Redemption {
            namespace: request::namespace(caller, Permission::Sessions, request.namespace)?,
            ticket: request.ticket,
            audience: request::audience(request.audience)?,
            new_id: request::optional_session_id("new_session_id", request.new_session_id)?,
        };
        let (id, record) = sessions.redeem_handoff(redemption).await?;
        caller.note(|notes| notes.handle = Some(record.handle));
        Ok(RedeemHandoffResponse { session_id: id.reveal(), session: session(&record) })
    }
}
