//! `/api/v1/users`: vehicle owners.

use std::sync::Arc;

use app::App;
use axum::{
    extract::State,
    http::{Method, StatusCode},
};
use domain::ids::UserId;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Change, Changed};
use crate::{
    extract::Ids,
    route::{Operation, operation},
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(
            Method::POST,
            "/users/{id}/erase",
            erase,
            "Disconnects and deletes everything of an owner, and destroys the key, so that backups hold nothing either",
        )
        .answers::<Erased>(StatusCode::OK),
    ]
}

/// What an erasure took away.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Erased {
    vehicles: usize,
}

/// `POST /api/v1/users/{id}/erase`
async fn erase(State(app): State<Arc<App>>, Ids(id): Ids<UserId>) -> Change<Erased> {
    Ok(Changed::ok(Erased { vehicles: app.erase_user(id).await? }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use store::Keyring;

    use super::*;
    use crate::testing::Server;

    #[tokio::test]
    async fn an_owner_whose_vehicles_are_all_disconnected_is_erased_with_the_data_key() {
        let server = Server::new().await;
        let tenant = server.tenant("A").await;
        let disconnect = format!("/vehicles/{}/disconnect", tenant.vehicle);
        server.admin(Method::POST, &disconnect, Value::Null).await.expect(204);
        let key = async || server.keyring.keys(vec![tenant.user.parse().unwrap()]).await.unwrap().remove(0);
        assert!(key().await.is_some());
        let erase = format!("/users/{}/erase", tenant.user);
        let erased = server.admin(Method::POST, &erase, Value::Null).await.expect(200);
        assert_eq!(erased.json(), json!({ "vehicles": 1, "warnings": [] }));
        assert_eq!(key().await, None);
        server.admin(Method::POST, &erase, Value::Null).await.expect(404);
    }
}
