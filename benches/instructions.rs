//! The load under which `benches/instructions` counts: calls of one kind after another, as many as it is told.
//!
//! It takes the server's address as its argument, and behind it "traced" if each call is to belong to a sampled trace; it reads lines such as "get 500" from standard input. Each is answered
//! with a line when all of its calls have succeeded; a call that fails ends it.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};

use bytes::Bytes;
use sessiond_client::proto::call::Method;
use sessiond_client::proto::reply::Result as Answer;
use sessiond_client::proto::session_store_client::SessionStoreClient;
use sessiond_client::proto::{
    Call, CreateSessionRequest, DeleteSessionRequest, ExchangeRequest, ExchangeResponse, GetSessionRequest,
    RotateSessionRequest, SessionChange, TouchSessionRequest, TraceContext, UpdateSessionRequest,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Streaming};

/// Calls in each message of the stream, which are in flight together: few enough that a message's own cost counts.
const TOGETHER: usize = 8;

/// The trace of each call of a load that is traced.
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Bytes of a session's data.
const SIZE: usize = 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("name the server's address")?;
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    let is_traced = std::env::args().nth(2).is_some_and(|argument| argument == "traced");
    let mut load = Load::open(channel, is_traced).await?;
    for line in stdin().lock().lines() {
        let line = line?;
        let (kind, calls) = line.split_once(' ').ok_or("write a kind and a number")?;
        load.run(kind, calls.parse()?).await?;
        writeln!(stdout(), "{line}")?;
    }
    Ok(())
}

/// One connection with one stream, and the sessions that were made through it.
struct Load {
    unary: SessionStoreClient<Channel>,
    calls: mpsc::Sender<ExchangeRequest>,
    replies: Streaming<ExchangeResponse>,
    sessions: Vec<String>,
    is_traced: bool,
    /// The session that is next.
    turn: usize,
}

impl Load {
    async fn open(channel: Channel, is_traced: bool) -> Result<Self, Box<dyn Error>> {
        let mut unary = SessionStoreClient::new(channel);
        let (calls, sent) = mpsc::channel(1);
        let replies = unary.exchange(ReceiverStream::new(sent)).await?.into_inner();
        Ok(Self { unary, calls, replies, sessions: Vec::new(), is_traced, turn: 0 })
    }

    async fn run(&mut self, kind: &str, calls: usize) -> Result<(), Box<dyn Error>> {
        if kind == "unary-get" {
            for _ in 0..calls {
                let turn = self.next();
                let mut request = Request::new(GetSessionRequest::new(&self.sessions[turn]));
                if self.is_traced {
                    request.metadata_mut().insert("traceparent", TRACEPARENT.parse()?);
                }
                self.unary.get_session(request).await?;
            }
            return Ok(());
        }
        for from in (0..calls).step_by(TOGETHER) {
            self.exchange(kind, TOGETHER.min(calls - from)).await?;
        }
        Ok(())
    }

    /// Sends calls in one message, and waits for the replies to all.
    async fn exchange(&mut self, kind: &str, count: usize) -> Result<(), Box<dyn Error>> {
        let mut calls = Vec::with_capacity(count);
        let mut turns = Vec::with_capacity(count);
        for tag in 0..count {
            let turn = self.next();
            let trace = || TraceContext { traceparent: TRACEPARENT.into(), tracestate: String::new() };
            let trace_context = self.is_traced.then(|| Box::new(trace()));
            calls.push(Call { tag: tag as u64, timeout: None, method: Some(self.method(kind, turn)?), trace_context });
            turns.push(turn);
        }
        self.calls.send(ExchangeRequest { calls }).await?;
        let mut missing = count;
        while missing > 0 {
            let message = self.replies.message().await?.ok_or("the stream ended")?;
            missing -= message.replies.len();
            for reply in message.replies {
                match reply.result.ok_or("a reply without a result")? {
                    Answer::Error(error) => return Err(format!("{kind} failed: {}", error.message).into()),
                    Answer::Create(created) => self.sessions.push(created.session_id),
                    Answer::Rotate(rotated) => self.sessions[turns[usize::try_from(reply.tag)?]] = rotated.session_id,
                    Answer::Get(_) | Answer::Update(_) | Answer::Touch(_) | Answer::Delete(_) => {}
                }
            }
        }
        Ok(())
    }

    /// The place of the session that is next; those that are there take turns.
    fn next(&mut self) -> usize {
        self.turn = (self.turn + 1).checked_rem(self.sessions.len()).unwrap_or(0);
        self.turn
    }

    fn method(&mut self, kind: &str, turn: usize) -> Result<Method, Box<dyn Error>> {
        let data = || Bytes::from(vec![b'x'; SIZE]);
        Ok(match kind {
            "create" => Method::Create(CreateSessionRequest::new().attribute("data", data())),
            "get" => Method::Get(GetSessionRequest::new(&self.sessions[turn])),
            "update" => {
                let change = SessionChange::new().set("data", data());
                Method::Update(UpdateSessionRequest::new(&self.sessions[turn], change))
            }
            "touch" => Method::Touch(TouchSessionRequest::new(&self.sessions[turn])),
            "rotate" => Method::Rotate(RotateSessionRequest::new(&self.sessions[turn])),
            "delete" => Method::Delete(DeleteSessionRequest::by_id(self.sessions.pop().ok_or("no session is left")?)),
            other => return Err(format!("there is no call {other}").into()),
        })
    }
}
