//! The admin API from the command line.

use anyhow::{Context, Result, bail};
use hyper::Method;
use lab::client::{HttpAnswer, HttpClient};
use serde_json::Value;

use crate::cli::ServerArgs;

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
