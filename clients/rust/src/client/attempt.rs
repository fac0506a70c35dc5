//! One attempt of a call.

use tonic::Request;
use tonic::transport::Channel;

use crate::retry::Time;
use crate::servers::Server;
use crate::token::Tokens;
use crate::trace::Trace;

/// Where an attempt of a call goes, by which token, how much time it has, and which trace it belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) server: &'a Server,
    pub(crate) time: Time,
    pub(crate) tokens: Option<&'a Tokens>,
    pub(crate) trace: Option<&'a Trace>,
}

impl Attempt<'_> {
    pub(crate) fn channel(&self) -> Channel {
        self.server.channel()
    }

    /// What is sent, with the token and the trace.
    pub(crate) fn request<Q>(&self, message: Q) -> Request<Q> {
        let mut request = authorized(message, self.tokens);
        if let Some(trace) = self.trace {
            trace.name_in(&mut request);
        }
        request
    }
}

/// What is sent, with the token.
pub(crate) fn authorized<Q>(message: Q, tokens: Option<&Tokens>) -> Request<Q> {
    let mut request = Request::new(message);
    if let Some(tokens) = tokens {
        request.metadata_mut().insert("authorization", tokens.header());
    }
    request
}
