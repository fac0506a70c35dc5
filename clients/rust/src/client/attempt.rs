//! One attempt of a call.

use tonic::Request;
use tonic::transport::Channel;

use crate::retry::Time;
use crate::servers::Server;
use crate::token::Tokens;

/// Where an attempt of a call goes, by which token, and how much time it has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) server: &'a Server,
    pub(crate) time: Time,
    pub(crate) tokens: Option<&'a Tokens>,
}

impl Attempt<'_> {
    pub(crate) fn channel(&self) -> Channel {
        self.server.channel()
    }

    /// What is sent, with the token.
    pub(crate) fn request<Q>(&self, message: Q) -> Request<Q> {
        authorized(message, self.tokens)
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
