//! The admin API from the command line.

use std::{io::ErrorKind, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use hyper::{Method, StatusCode};
use lab::client::{HttpAnswer, HttpClient};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};

use super::{BadOption, refusal::Refused};
use crate::{
    cli::{Paging, ServerArgs},
    folder,
};

/// Items that the server puts on one page at most.
const PAGE: usize = 100;

/// For what takes the server long.
const LONG: Duration = Duration::from_secs(120);

/// A running server's admin API.
pub(crate) struct Client {
    http: HttpClient,
    url: String,
}

impl Client {
    /// The server that the arguments name.
    pub(crate) fn of(args: &ServerArgs) -> Result<Self> {
        let token = match &args.token {
            Some(token) => folder::token(token, "the admin token (--token or MILEPOST_ADMIN_TOKEN)")
                .map_err(|error| BadOption(error.to_string()))?,
            None => {
                let path = args.data.join("admin-token");
                let text = std::fs::read_to_string(&path).with_context(|| {
                    format!(
                        "no admin token: give --token, MILEPOST_ADMIN_TOKEN or --data with the server's data folder \
                         ({} cannot be read)",
                        path.display()
                    )
                })?;
                folder::token(&text, &path.display().to_string())?
            }
        };
        Self::new(&args.url, &token, args.ca_file.as_deref())
    }

    /// The server at an address.
    pub(crate) fn new(url: &str, token: &str, ca_file: Option<&Path>) -> Result<Self> {
        Ok(Self { http: http(url, ca_file)?.bearer(token)?, url: url.trim().to_owned() })
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.understand(self.http.get(&format!("/api/v1{path}")).await)
    }

    /// `GET` with parameters, of which those without a value are left out.
    pub(crate) async fn find(&self, path: &str, query: &[(&str, Option<String>)]) -> Result<Value> {
        self.get(&format!("{path}{}", query_string(query))).await
    }

    /// As many items of a list as are wanted, from as many pages as that takes.
    pub(crate) async fn list(
        &self,
        path: &str,
        filters: &[(&str, Option<String>)],
        paging: &Paging,
    ) -> Result<Value> {
        let mut items = Vec::new();
        let mut cursor = paging.cursor.clone();
        loop {
            let missing = paging.wanted().map_or(PAGE, |wanted| wanted - items.len());
            let mut query = filters.to_vec();
            query.push(("limit", Some(missing.min(PAGE).to_string())));
            query.push(("cursor", cursor));
            let mut page = self.find(path, &query).await?;
            let Value::Array(found) = page["items"].take() else { return Ok(page) };
            items.extend(found);
            cursor = page["nextCursor"].as_str().map(str::to_owned);
            let enough = paging.wanted().is_some_and(|wanted| items.len() >= wanted);
            if enough || cursor.is_none() {
                return Ok(json!({ "items": items, "nextCursor": cursor }));
            }
        }
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.understand(self.http.post(&format!("/api/v1{path}"), &body).await)
    }

    /// The answer, or the problem of a file of which nothing could be taken.
    pub(crate) async fn post_file(&self, path: &str, body: Value) -> Result<Result<Value, Value>> {
        let answer = self.http.with_deadline(LONG).post(&format!("/api/v1{path}"), &body).await;
        match answer {
            Ok(refused) if refused.status == StatusCode::UNPROCESSABLE_ENTITY => Ok(Err(refused.json())),
            answer => self.understand(answer).map(Ok),
        }
    }

    pub(crate) async fn put_bytes(&self, path: &str, body: Bytes) -> Result<Value> {
        let path = format!("/api/v1{path}");
        self.understand(self.http.send(Method::PUT, &path, Some("application/octet-stream"), body).await)
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Result<Value> {
        self.understand(self.http.patch(&format!("/api/v1{path}"), &body).await)
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Result<Value> {
        let (path, body) = (format!("/api/v1{path}"), body.to_string().into());
        self.understand(self.http.send(Method::PUT, &path, Some("application/json"), body).await)
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value> {
        self.understand(self.http.delete(&format!("/api/v1{path}")).await)
    }

    /// The answer's JSON, or its problem as an error that says what to do.
    fn understand(&self, answer: std::io::Result<HttpAnswer>) -> Result<Value> {
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        let json = answer.json();
        if answer.status.is_success() && (answer.body.is_empty() || !json.is_null()) {
            return Ok(json);
        }
        match Refused::of(answer.status.as_u16(), &json) {
            Some(refused) => Err(refused.into()),
            None => Err(anyhow!(
                "{} answers with status {}, but not as a Milepost server does; is --url right?",
                self.url,
                answer.status.as_u16()
            )),
        }
    }

    fn unreachable(&self, error: &std::io::Error) -> anyhow::Error {
        let url = &self.url;
        match error.kind() {
            ErrorKind::ConnectionRefused => anyhow!(
                "nothing listens at {url}; start `milepost serve`, or give the server's address with --url"
            ),
            ErrorKind::TimedOut => anyhow!("{url} did not answer in time"),
            ErrorKind::InvalidInput => anyhow!("{error}"),
            _ => anyhow!(
                "{url} cannot be reached: {error}; is --url right, with http or https as the server speaks it?"
            ),
        }
    }
}

/// A client of the server at an address, over TLS where that begins with https.
pub(crate) fn http(url: &str, ca_file: Option<&Path>) -> Result<HttpClient> {
    let url = url.trim();
    let client = match url.starts_with("https://") {
        true => HttpClient::over_tls(url, tls(ca_file)?),
        false => HttpClient::new(url),
    };
    client.map_err(|_| {
        BadOption(format!("--url {url:?} is not an address such as http://127.0.0.1:8080")).into()
    })
}

/// TLS with the authorities of this machine and those of a file.
fn tls(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let pem = std::fs::read(path).with_context(|| format!("cannot read --ca-file {}", path.display()))?;
        let certificates: Vec<_> = rustls_pemfile::certs(&mut &*pem).collect::<Result<_, _>>()?;
        let (added, _) = roots.add_parsable_certificates(certificates);
        ensure!(added > 0, "{} has no certificate in PEM", path.display());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// `?limit=50&status=failed`, or nothing.
fn query_string(query: &[(&str, Option<String>)]) -> String {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in query {
        if let Some(value) = value {
            text.append_pair(name, value);
        }
    }
    match text.finish() {
        empty if empty.is_empty() => empty,
        text => format!("?{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_without_a_value_are_left_out() {
        let query = [("limit", Some("50".to_owned())), ("cursor", None), ("q", Some("a b&c".to_owned()))];
        assert_eq!(query_string(&query), "?limit=50&q=a+b%26c");
        assert_eq!(query_string(&[("cursor", None)]), "");
    }
}
