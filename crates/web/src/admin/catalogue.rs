//! `/api/v1/catalogue`: what this server knows, for programs. The same rows are pages under `/docs`.

use std::sync::Arc;

use app::App;
use axum::{Json as Out, extract::State, http::Method};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use crate::{
    catalogue::{
        self, CatalogueEndpoint, CatalogueErrorEntry, CataloguePermission, CatalogueProblem, CatalogueSignal,
        EndpointFilter, ErrorFilter, SignalFilter, UnknownWord,
    },
    extract::Query,
    paging::Page,
    problem::ApiError,
    route::{Operation, operation},
};

pub(super) fn operations() -> Vec<Operation> {
    let get = Method::GET;
    vec![
        operation(
            get.clone(),
            "/catalogue/signals",
            signals,
            "Lists signals with form, unit, permission and brands",
        )
        .query::<SignalFilter>()
        .page_of::<CatalogueSignal>(),
        operation(
            get.clone(),
            "/catalogue/endpoints",
            endpoints,
            "Lists endpoints of the v2 API below a vehicle, with permission, signals and brands",
        )
        .query::<EndpointFilter>()
        .page_of::<CatalogueEndpoint>(),
        operation(
            get.clone(),
            "/catalogue/permissions",
            permissions,
            "Lists permissions with what each opens",
        )
        .query::<Search>()
        .page_of::<CataloguePermission>(),
        operation(get.clone(), "/catalogue/errors", errors, "Lists errors of payloads and of the v2 API")
            .query::<ErrorFilter>()
            .page_of::<CatalogueErrorEntry>(),
        operation(get, "/catalogue/problems", problems, "Lists problems of this API by code")
            .query::<Search>()
            .page_of::<CatalogueProblem>(),
    ]
}

/// What to search for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Search {
    /// Words that are all found in the row.
    q: Option<String>,
}

impl From<UnknownWord> for ApiError {
    fn from(unknown: UnknownWord) -> Self {
        Self::invalid(unknown.filter, unknown.message)
    }
}

/// `GET /api/v1/catalogue/signals`
async fn signals(
    State(app): State<Arc<App>>,
    Query(filter): Query<SignalFilter>,
) -> Answer<Page<CatalogueSignal>> {
    Ok(Out(Page::whole(catalogue::signals(&app.compatible_models(), &filter)?)))
}

/// `GET /api/v1/catalogue/endpoints`
async fn endpoints(
    State(app): State<Arc<App>>,
    Query(filter): Query<EndpointFilter>,
) -> Answer<Page<CatalogueEndpoint>> {
    Ok(Out(Page::whole(catalogue::endpoints(&app.compatible_models(), &filter)?)))
}

/// `GET /api/v1/catalogue/permissions`
async fn permissions(
    State(app): State<Arc<App>>,
    Query(search): Query<Search>,
) -> Answer<Page<CataloguePermission>> {
    Ok(Out(Page::whole(catalogue::permissions(&app.compatible_models(), search.q.as_deref()))))
}

/// `GET /api/v1/catalogue/errors`
async fn errors(Query(filter): Query<ErrorFilter>) -> Answer<Page<CatalogueErrorEntry>> {
    Ok(Out(Page::whole(catalogue::errors(&filter)?)))
}

/// `GET /api/v1/catalogue/problems`
async fn problems(Query(search): Query<Search>) -> Answer<Page<CatalogueProblem>> {
    Ok(Out(Page::whole(catalogue::problems(search.q.as_deref()))))
}

#[cfg(test)]
mod tests {
    use crate::testing::Server;
    use axum::http::Method;
    use serde_json::{Value, json};

    #[tokio::test]
    async fn programs_can_look_up_signals_endpoints_permissions_errors_and_problems() {
        let server = Server::new().await;
        let get = |path: &str| {
            let (server, path) = (&server, format!("/catalogue/{path}"));
            async move { server.admin(Method::GET, &path, Value::Null).await }
        };
        let signals =
            get("signals?q=state+of+charge&permission=read_battery&trigger=true").await.expect(200).json();
        let row = &signals["items"][1];
        assert_eq!(
            (&row["code"], &row["unit"]),
            (&json!("tractionbattery-stateofcharge"), &json!("percent"))
        );
        assert!(row["endpoints"].as_array().unwrap().contains(&json!("/battery")));
        let endpoints = get("endpoints?q=/odometer").await.expect(200).json();
        assert_eq!(endpoints["items"][0]["signals"], json!(["odometer-traveleddistance"]));
        let permissions = get("permissions?q=read_odometer").await.expect(200).json();
        assert_eq!(permissions["items"][0]["endpoints"], json!(["GET /odometer"]));
        let errors = get("errors?type=vehicle_state&q=asleep").await.expect(200).json();
        assert_eq!(errors["items"][0]["page"], "/docs/errors/vehicle-state-errors#asleep");
        let problems = get("problems?q=invalid_value").await.expect(200).json();
        assert_eq!(problems["items"].as_array().unwrap().len(), 1);
        let refused = get("signals?group=Batteries").await.expect(400);
        assert_eq!(refused.text("field"), "group");
        assert!(refused.text("detail").contains("TractionBattery"));
    }
}
