//! The admin API from the command line.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use hyper::Method;
use lab::client::{HttpAnswer, HttpClient};
use serde_json::Value;

use crate::cli::ServerArgs;

/// For what takes the server long.
const LONG: Duration = Duration::from_secs(120);

/// A running server's admin API.
pub(crate) struct Client(HttpClient);

impl Client {
    /// The server that the arguments name.
    pub(crate) fn of(args: &ServerArgs) -> Result<Self> {
        let token = match &args.token {
            Some(token) => token.clone(),
            None => {
                let path = args.data.join("admin-token");
                let text = std::fs::read_to_string(&path).with_context(|| {
                    format!(
                        "no admin token: give --token or MILEPOST_ADMIN_TOKEN, or --data with {}",
                        path.display()
                    )
                })?;
                text.trim().to_owned()
            }
        };
        Self::new(&args.url, &token)
    }

    /// The server at an address.
    pub(crate) fn new(url: &str, token: &str) -> Result<Self> {
        Ok(Self(HttpClient::new(url)?.bearer(token)?))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        understand(self.0.get(&format!("/api/v1{path}")).await)
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value> {
        understand(self.0.post(&format!("/api/v1{path}"), &body).await)
    }

    /// The answer, or the problem that is one.
    pub(crate) async fn post_or_problem(&self, path: &str, body: Value) -> Result<Result<Value, Value>> {
        let answer = self.0.with_deadline(LONG).post(&format!("/api/v1{path}"), &body).await;
        match &answer {
            Ok(refused) if !refused.status.is_success() && refused.json()["detail"].is_string() => {
                Ok(Err(refused.json()))
            }
            _ => understand(answer).map(Ok),
        }
    }

    pub(crate) async fn put_bytes(&self, path: &str, body: Bytes) -> Result<Value> {
        let path = format!("/api/v1{path}");
        understand(self.0.send(Method::PUT, &path, Some("application/octet-stream"), body).await)
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Result<Value> {
        understand(self.0.patch(&format!("/api/v1{path}"), &body).await)
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Result<Value> {
        let (path, body) = (format!("/api/v1{path}"), body.to_string().into());
        understand(self.0.send(Method::PUT, &path, Some("application/json"), body).await)
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value> {
        understand(self.0.delete(&format!("/api/v1{path}")).await)
    }
}

/// The answer's JSON, or its problem as an error that says what to do.
fn understand(answer: std::io::Result<HttpAnswer>) -> Result<Value> {
    let answer =
        answer.context("the server does not answer; is `milepost serve` running, and is --url right?")?;
    if answer.status.is_success() {
        return Ok(answer.json());
    }
    let problem = answer.json();
    match problem["detail"].as_str().or(problem["title"].as_str()) {
        Some(detail) => bail!("{detail}"),
        None => bail!("the server answered with status {}", answer.status.as_u16()),
    }
}
