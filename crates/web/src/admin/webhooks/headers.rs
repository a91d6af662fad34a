//! Headers of an operator's own in requests: a map from names to values, where null removes one, and basic auth.
//!
//! The types have no `Debug` that shows a value, and no answer is made of them.

use std::{collections::BTreeMap, fmt};

use app::HeaderChange;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// Names with values; null removes a header.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = BTreeMap<String, Option<String>>, example = json!({"X-Api-Key": "…"}))]
pub(crate) struct Headers(BTreeMap<String, Option<Secret>>);

/// User and password for `Authorization`.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BasicAuth {
    username: String,
    #[schema(value_type = String)]
    password: Secret,
}

/// A text that is shown nowhere.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<String>);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// The change that the members of a request ask for; `None` outside is a member that is left out, inside one that is null.
pub(super) fn change(
    headers: Option<Option<Headers>>,
    basic_auth: Option<Option<BasicAuth>>,
    to_error_uri: Option<bool>,
) -> HeaderChange {
    let clear = matches!(headers, Some(None));
    let Headers(set) = headers.flatten().unwrap_or_default();
    HeaderChange {
        clear,
        set: set.into_iter().map(|(name, value)| (name, value.map(|Secret(value)| value))).collect(),
        basic_auth: basic_auth
            .map(|pair| pair.map(|BasicAuth { username, password: Secret(password) }| (username, password))),
        to_error_uri,
    }
}

/// The names alone.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BasicAuth(..)")
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Server, new_webhook_of};
    use app::ports::Reply;
    use axum::http::Method;
    use domain::webhook::Kind;
    use serde_json::{Value, json};
    use std::sync::{Arc, Mutex};

    /// A server, the path of a webhook that was made with these members, and the headers of each request so far.
    async fn made(members: Value) -> (Server, String, Value, Arc<Mutex<Vec<Vec<String>>>>) {
        let server = Server::new().await;
        let sent = Arc::new(Mutex::new(Vec::new()));
        let notes = sent.clone();
        server.outbound.answer(move |post| {
            let headers = post.headers.iter().map(|header| format!("{}: {}", header.name(), header.value()));
            notes.lock().unwrap().push(headers.collect());
            Ok(Reply { status: 200, body: Default::default() })
        });
        let tenant = server.tenant("A").await;
        let mut new = new_webhook_of(Kind::Unified);
        new.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let path = format!("/applications/{}/webhooks", tenant.application);
        let shown = server.admin(Method::POST, &path, new).await.expect(201).json();
        let path = format!("/webhooks/{}", shown["id"].as_str().unwrap());
        (server, path, shown, sent)
    }

    async fn test(server: &Server, path: &str, kind: &str) {
        server.clock.pass(std::time::Duration::from_secs(10));
        server.admin(Method::POST, &format!("{path}/test"), json!({ "eventType": kind })).await.expect(200);
    }

    #[tokio::test]
    async fn headers_are_sent_and_only_their_names_are_shown() {
        let (server, path, shown, sent) = made(json!({
            "headers": {"X-Api-Key": "s3cret"},
            "basicAuth": {"username": "u", "password": "p4ss"},
        }))
        .await;
        assert_eq!(shown["headers"], json!(["X-Api-Key", "Authorization"]));
        test(&server, &path, "VEHICLE_STATE").await;
        let got = server.admin(Method::GET, &path, Value::Null).await.expect(200).json();
        for answer in [&shown, &got] {
            let text = answer.to_string();
            assert!(
                !text.contains("s3cret") && !text.contains("p4ss") && !text.contains("dTpwNHNz"),
                "{text}"
            );
        }
        assert_eq!(
            sent.lock().unwrap().last().unwrap(),
            &["X-Api-Key: s3cret", "Authorization: Basic dTpwNHNz"]
        );
    }

    #[tokio::test]
    async fn an_edit_keeps_the_headers_that_it_does_not_name() {
        let (server, path, _, sent) = made(json!({"headers": {"X-A": "1", "X-B": "2"}})).await;
        for (edit, names, expected) in [
            (json!({"name": "Other"}), json!(["X-A", "X-B"]), vec!["X-A: 1", "X-B: 2"]),
            (json!({"headers": {"x-b": "3", "X-A": null}}), json!(["x-b"]), vec!["x-b: 3"]),
            (
                json!({"basicAuth": {"username": "u", "password": "p"}}),
                json!(["x-b", "Authorization"]),
                vec!["x-b: 3", "Authorization: Basic dTpw"],
            ),
            (json!({"basicAuth": null}), json!(["x-b"]), vec!["x-b: 3"]),
            (json!({"headers": null}), Value::Null, vec![]),
        ] {
            let shown = server.admin(Method::PATCH, &path, edit.clone()).await.expect(200).json();
            assert_eq!(shown["headers"], names, "{edit}");
            test(&server, &path, "VEHICLE_STATE").await;
            assert_eq!(sent.lock().unwrap().last().unwrap(), &expected, "{edit}");
        }
    }

    #[tokio::test]
    async fn an_error_uri_gets_headers_on_the_same_origin_or_where_that_is_said() {
        for (members, gets) in [
            (json!({"errorCallbackUri": "https://receiver.example/errors"}), true),
            (json!({"errorCallbackUri": "https://elsewhere.example/errors"}), false),
            (
                json!({"errorCallbackUri": "https://elsewhere.example/errors", "headersToErrorUri": true}),
                true,
            ),
        ] {
            let mut all = members.clone();
            all["headers"] = json!({"X-Api-Key": "k"});
            let (server, path, _, sent) = made(all).await;
            test(&server, &path, "VEHICLE_ERROR").await;
            assert_eq!(!sent.lock().unwrap().last().unwrap().is_empty(), gets, "{members}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_a_header_is_refused_without_its_value() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let path = format!("/applications/{}/webhooks", tenant.application);
        for (members, field) in [
            (json!({"headers": {"Host": "s3cret"}}), "headers"),
            (json!({"headers": {"sc-signature": "s3cret"}}), "headers"),
            (json!({"headers": {"X Y": "s3cret"}}), "headers"),
            (json!({"headers": {"X-Y": "s3cret\r\nX: y"}}), "headers"),
            (json!({"headers": {"X-Y": ""}}), "headers"),
            (json!({"headers": {"X-Y": "1", "x-y": "s3cret"}}), "headers"),
            (json!({"basicAuth": {"username": "a:b", "password": "s3cret"}}), "basicAuth"),
            (
                json!({"headers": {"Authorization": "x"}, "basicAuth": {"username": "a", "password": "s3cret"}}),
                "basicAuth",
            ),
        ] {
            let mut new = new_webhook_of(Kind::Unified);
            new.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            let refused = server.admin(Method::POST, &path, new).await.expect(400).json();
            assert_eq!(refused["field"], field, "{refused}");
            assert!(!refused.to_string().contains("s3cret"), "{refused}");
        }
    }
}
