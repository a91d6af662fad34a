//! Receives webhooks with axum 0.8, hmac 0.13, sha2 0.11, hex 0.4, serde_json 1 and tokio 1.
//! MILEPOST_MANAGEMENT_TOKEN=… PORT=9000 cargo run

use std::{
    collections::HashSet,
    error::Error,
    sync::{LazyLock, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// In production: a table with a unique key, kept for two days.
static SEEN: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

static MAC: LazyLock<Hmac<Sha256>> = LazyLock::new(|| {
    let token = std::env::var("MILEPOST_MANAGEMENT_TOKEN").expect("MILEPOST_MANAGEMENT_TOKEN is set");
    Hmac::new_from_slice(token.trim().as_bytes()).expect("HMAC takes keys of any length")
});

/// Whether a body was signed with the management token; the comparison takes the same time wherever they differ.
fn is_signed(body: &[u8], headers: &HeaderMap) -> bool {
    let signature = headers.get("sc-signature").and_then(|given| hex::decode(given).ok());
    signature.is_some_and(|given| MAC.clone().chain_update(body).verify_slice(&given).is_ok())
}

/// What a repeated event has in common with its first delivery.
fn ids(event: &Value) -> Vec<&str> {
    let payload = &event["payload"];
    match event["eventId"].as_str().or(payload["eventId"].as_str()) {
        Some(id) => vec![id],
        None => {
            let vehicles = payload["vehicles"].as_array().into_iter().flatten();
            vehicles.filter_map(|vehicle| vehicle["requestId"].as_str()).collect()
        }
    }
}

async fn receive(headers: HeaderMap, body: Bytes) -> (StatusCode, Json<Value>) {
    // The signature is over the bytes as they came: check it before anything is parsed.
    if !is_signed(&body, &headers) {
        return (StatusCode::UNAUTHORIZED, Json(json!({"error": "wrong signature"})));
    }
    let Ok(event) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "not JSON"})));
    };
    let name = event["eventType"].as_str().or(event["eventName"].as_str()).unwrap_or_default();
    if name.eq_ignore_ascii_case("verify") {
        let challenge = event["data"]["challenge"].as_str().or(event["payload"]["challenge"].as_str());
        let mac = MAC.clone().chain_update(challenge.unwrap_or_default());
        return (StatusCode::OK, Json(json!({"challenge": hex::encode(mac.finalize().into_bytes())})));
    }
    let mut seen = SEEN.lock().expect("nobody panics with the lock");
    let new = ids(&event).into_iter().filter(|id| seen.insert((*id).to_owned())).count();
    // Put the event into a queue here, and do the work after the answer.
    println!("{name}{}", if new == 0 { " again" } else { "" });
    (StatusCode::OK, Json(json!({})))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::var("PORT").map_or(Ok(9000), |port| port.parse())?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, Router::new().fallback(receive)).await?)
}
