//! Runs one case.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use serde_json::{Value, json};
use sessiond_client::proto::{ExchangeRequest, WatchSessionsRequest, session_store_client::SessionStoreClient};
use sessiond_client::{Client, Watch, WatchMessage};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::PATIENCE;
use crate::calls;
use crate::errors::described;
use crate::template::{Variables, duration, expand};

/// The answer of a call, or its error in the words of the cases.
pub(crate) type Outcome = Result<Value, Value>;
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

pub(crate) struct Run {
    client: Client,
    variables: Variables,
    streams: BTreeMap<String, Watch>,
    started: BTreeMap<String, JoinHandle<Result<(), String>>>,
}

impl Run {
    pub(crate) fn new(client: Client, namespace: String) -> Self {
        let variables = BTreeMap::from([("namespace".to_owned(), namespace)]);
        Self { client, variables, streams: BTreeMap::new(), started: BTreeMap::new() }
    }

    pub(crate) fn variables(&self) -> &Variables {
        &self.variables
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// The same run, for a step that is made while others go on.
    fn beside(&self) -> Self {
        let mut run = Self::new(self.client.clone(), String::new());
        run.variables.clone_from(&self.variables);
        run
    }

    pub(crate) async fn all(&mut self, steps: &Value) -> Result<(), String> {
        for (number, step) in steps.as_array().unwrap().iter().enumerate() {
            self.step(step).await.map_err(|problem| format!("step {}: {problem}", number + 1))?;
        }
        Ok(())
    }

    pub(crate) fn step<'a>(&'a mut self, step: &'a Value) -> Boxed<'a, Result<(), String>> {
        Box::pin(async move {
            let text = |name: &str| step[name].as_str();
            if let Some(pause) = text("wait") {
                sleep(span(pause)).await;
            } else if step["parallel"].is_u64() {
                self.parallel(step).await?;
            } else if let Some(name) = text("start") {
                let (mut run, inner) = (self.beside(), step["step"].clone());
                let running = tokio::spawn(async move { run.step(&inner).await });
                self.started.insert(name.to_owned(), running);
            } else if let Some(name) = text("finish") {
                self.started.remove(name).ok_or("it was not started")?.await.unwrap()?;
            } else if let Some(name) = text("watch") {
                self.watch(name, step).await?;
            } else if let Some(name) = text("next") {
                let outcome =
                    next(self.streams.get_mut(name).ok_or("no such stream")?, step["checkpoints"] == true).await?;
                self.judge(step, outcome)?;
            } else if let Some(name) = text("close") {
                self.streams.remove(name);
            } else if step["exchange"].is_array() {
                self.exchange(step).await?;
            } else if step["call"].is_string() {
                self.call(step).await?;
            } else {
                return Err(format!("{step} is no step"));
            }
            Ok(())
        })
    }

    async fn call(&mut self, step: &Value) -> Result<(), String> {
        let end = Instant::now() + step["within"].as_str().map_or(Duration::ZERO, span);
        loop {
            let outcome = self.outcome(step).await?;
            match self.judge(step, outcome) {
                Err(_) if Instant::now() < end => sleep(Duration::from_millis(20)).await,
                judged => return judged,
            }
        }
    }

    async fn outcome(&self, step: &Value) -> Result<Outcome, String> {
        let method = step["call"].as_str().unwrap();
        let template = if step["messages"].is_array() { &step["messages"][0] } else { &step["request"] };
        let request = self.request(method, template)?;
        timeout(PATIENCE, calls::make(&self.client, method, request)).await.map_err(|_| "no answer".to_owned())
    }

    /// The request of a template; its namespace is that of the case unless it names one.
    fn request(&self, method: &str, template: &Value) -> Result<Value, String> {
        let mut request = if template.is_null() { json!({}) } else { expand(template, &self.variables)? };
        if calls::has_namespace(method)
            && request.get("allNamespaces") != Some(&Value::Bool(true))
            && request.get("namespace").is_none()
        {
            request["namespace"] = self.variables["namespace"].clone().into();
        }
        Ok(request)
    }

    /// Makes a step many times at once. With `succeed`, so many meet the expectation and all others the error.
    async fn parallel(&mut self, step: &Value) -> Result<(), String> {
        let running: Vec<_> = (0..step["parallel"].as_u64().unwrap())
            .map(|index| {
                let (mut run, mut inner) = (self.beside(), step["step"].clone());
                run.set("index", &index.to_string());
                let error = inner.get_mut("error").map(Value::take).unwrap_or_default();
                let succeeds = step["succeed"].is_u64();
                tokio::spawn(async move {
                    if !succeeds {
                        inner["error"] = error;
                        return run.step(&inner).await.map(|()| true);
                    }
                    match run.outcome(&inner).await? {
                        Err(failed) => run.matches_error(&error, &failed).map(|()| false),
                        answered => run.judge(&inner, answered).map(|()| true),
                    }
                })
            })
            .collect();
        let mut succeeded = 0;
        for one in running {
            succeeded += u64::from(one.await.unwrap()?);
        }
        match step["succeed"].as_u64() {
            Some(wanted) if wanted != succeeded => Err(format!("{succeeded} succeeded, not {wanted}")),
            _ => Ok(()),
        }
    }

    async fn watch(&mut self, name: &str, step: &Value) -> Result<(), String> {
        let request: WatchSessionsRequest =
            calls::typed("WatchSessions", self.request("WatchSessions", &step["request"])?)?;
        match self.client.watch(request).await {
            Ok(stream) => {
                let first = json!({"checkpoint": {"resumeToken": stream.resume_token()}});
                self.streams.insert(name.to_owned(), stream);
                self.judge(step, Ok(first))
            }
            Err(error) => self.judge(step, Err(described(&error))),
        }
    }

    /// Sends all messages over one stream, ends it, and judges the replies.
    async fn exchange(&mut self, step: &Value) -> Result<(), String> {
        let mut messages = Vec::new();
        for template in step["exchange"].as_array().unwrap() {
            let mut message = expand(template, &self.variables)?;
            for call in message["calls"].as_array_mut().into_iter().flatten() {
                for request in call.as_object_mut().unwrap().values_mut().filter_map(Value::as_object_mut) {
                    request.entry("namespace").or_insert_with(|| self.variables["namespace"].clone().into());
                }
            }
            messages.push(calls::typed::<ExchangeRequest>("Exchange", message)?);
        }
        let mut stub = SessionStoreClient::new(self.client.channel());
        let answer = stub.exchange(tokio_stream::iter(messages)).await.map_err(|status| status.to_string())?;
        let (mut stream, mut missing) = (answer.into_inner(), step["replies"].as_object().unwrap().clone());
        while let Some(message) = stream.message().await.map_err(|status| status.to_string())? {
            for reply in message.replies {
                let tag = reply.tag.to_string();
                let wanted = missing.remove(&tag).ok_or_else(|| format!("nobody asked for reply {tag}"))?;
                self.judge(&wanted, calls::replied(reply)).map_err(|problem| format!("tag {tag}: {problem}"))?;
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(format!("replies are missing: {missing:?}")) }
    }

    /// Compares what a call led to with what the step wants, and saves what it says.
    fn judge(&mut self, step: &Value, outcome: Outcome) -> Result<(), String> {
        let answer = match (outcome, &step["error"]) {
            (Err(error), Value::Null) => return Err(format!("the call failed: {error}")),
            (Err(error), wanted) => return self.matches_error(wanted, &error),
            (Ok(answer), Value::Null) => answer,
            (Ok(_), wanted) => return Err(format!("the call succeeded; it was to fail with {wanted}")),
        };
        if !step["expect"].is_null() {
            self.matches(&step["expect"], Some(&answer), "answer")?;
        }
        for (name, path) in step["save"].as_object().into_iter().flatten() {
            let value = path.as_str().unwrap().split('.').fold(&answer, |value, part| &value[part]);
            let text = value.as_str().ok_or_else(|| format!("the answer has no {path} to save"))?.to_owned();
            self.set(name, &text);
        }
        Ok(())
    }
}

fn span(text: &str) -> Duration {
    Duration::from_nanos(duration(text).unwrap().try_into().unwrap())
}

/// The next event of a stream, or the next message.
async fn next(stream: &mut Watch, checkpoints: bool) -> Result<Outcome, String> {
    loop {
        match timeout(PATIENCE, stream.next()).await.map_err(|_| "no event came")? {
            None => return Err("the stream has ended".to_owned()),
            Some(Err(error)) => return Ok(Err(described(&error))),
            Some(Ok(WatchMessage::Checkpoint(_))) if !checkpoints => {}
            Some(Ok(WatchMessage::Checkpoint(token))) => return Ok(Ok(json!({"checkpoint": {"resumeToken": token}}))),
            Some(Ok(WatchMessage::Event(event))) => return Ok(Ok(json!({"event": calls::event(event)}))),
        }
    }
}
