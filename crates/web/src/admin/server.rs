//! `/api/v1/server`: what an operator does about the server itself.

use std::{path::PathBuf, sync::Arc};

use app::{App, Finding};
use axum::{
    Json as Out,
    extract::State,
    http::{Method, StatusCode},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Answer, Changed};
use crate::{
    extract::Json,
    problem::ApiError,
    route::{Operation, operation},
};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        operation(Method::GET, "/server/diagnosis", diagnose, "Looks at everything that can be wrong")
            .answers::<Diagnosis>(StatusCode::OK),
        operation(
            Method::POST,
            "/server/backups",
            back_up,
            "Copies the data into a new file while work goes on",
        )
        .takes::<NewBackup>()
        .answers::<Backup>(StatusCode::CREATED),
        operation(
            Method::POST,
            "/server/keyring-exports",
            export_keyring,
            "Copies the keyring into a new file while work goes on; the master key is not in it",
        )
        .takes::<NewBackup>()
        .answers::<Backup>(StatusCode::CREATED),
    ]
}

/// What was found.
#[derive(Serialize, ToSchema)]
pub(crate) struct Diagnosis {
    /// All of the findings are.
    good: bool,
    findings: Vec<DiagnosisFinding>,
}

/// What one check found.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DiagnosisFinding {
    subject: &'static str,
    good: bool,
    detail: String,
    /// What to do, where it is not good.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_step: Option<&'static str>,
}

/// Where to put a backup.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBackup {
    /// An absolute path on the server; the file must not exist.
    path: String,
}

/// A finished copy: of the data without keys, or of the keyring.
#[derive(Serialize, ToSchema)]
pub(crate) struct Backup {
    path: String,
    bytes: u64,
}

impl From<Finding> for DiagnosisFinding {
    fn from(Finding { subject, good, detail, next_step }: Finding) -> Self {
        Self { subject, good, detail, next_step }
    }
}

/// `GET /api/v1/server/diagnosis`
async fn diagnose(State(app): State<Arc<App>>) -> Answer<Diagnosis> {
    let findings = app.diagnose().await?;
    let good = findings.iter().all(|finding| finding.good);
    Ok(Out(Diagnosis { good, findings: findings.into_iter().map(Into::into).collect() }))
}

/// `POST /api/v1/server/backups`
async fn back_up(
    State(app): State<Arc<App>>,
    Json(new): Json<NewBackup>,
) -> Result<Changed<Backup>, ApiError> {
    let backup = app.back_up(PathBuf::from(new.path)).await?;
    let answer = Backup { path: backup.path.display().to_string(), bytes: backup.bytes };
    Ok(Changed::created(answer))
}

/// `POST /api/v1/server/keyring-exports`
async fn export_keyring(
    State(app): State<Arc<App>>,
    Json(new): Json<NewBackup>,
) -> Result<Changed<Backup>, ApiError> {
    let export = app.export_keyring(PathBuf::from(new.path)).await?;
    let answer = Backup { path: export.path.display().to_string(), bytes: export.bytes };
    Ok(Changed::created(answer))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Server, new_webhook};
    use axum::http::Method;
    use serde_json::{Value, json};

    #[tokio::test]
    async fn a_finding_that_is_not_good_says_what_to_do_next() {
        let server = Server::new().await;
        let application = server.admin(Method::POST, "/applications", json!({"name": "A"})).await.text("id");
        let path = format!("/applications/{application}/webhooks");
        server.admin(Method::POST, &path, new_webhook()).await.expect(201);
        let diagnosis = server.admin(Method::GET, "/server/diagnosis", Value::Null).await.expect(200).json();
        assert_eq!(diagnosis["good"], false);
        for finding in diagnosis["findings"].as_array().unwrap() {
            let next = finding["nextStep"].as_str();
            assert_eq!(next.is_some(), finding["good"] == false, "{finding}");
            if finding["subject"] == "webhooks" {
                assert!(next.unwrap().contains("milepost webhook verify ID"), "{finding}");
            }
        }
    }
}
