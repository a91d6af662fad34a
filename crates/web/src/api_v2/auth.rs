//! Who asks: an owner's access token, an application's management token, or a client with its secret.

use std::sync::Arc;

use app::{App, AppError, ApplicationEntry};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use domain::{errors::ErrorCode, ids::VehicleId};
use store::{TokenGrant, VehicleRow};

use super::error::V2Error;
use crate::extract::bearer;

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The user name that goes with a management token in `Authorization: Basic …`.
const MANAGER: &str = "default";

/// An owner's access token: `Authorization: Bearer …`.
pub(crate) struct Owner(pub(crate) TokenGrant);

/// An application by its client id and secret: `Authorization: Basic …`.
pub(super) struct Client;

/// An application by its management token: `Authorization: Bearer …`, or `Basic …` with the user name `default`.
pub(super) struct Manager(pub(super) Arc<ApplicationEntry>);

/// Whoever may use something of a vehicle: its owner's token, or its application's management token.
pub(super) enum Either {
    Owner(TokenGrant),
    Manager(Arc<ApplicationEntry>),
}

impl FromRequestParts<Arc<App>> for Owner {
    type Rejection = V2Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, V2Error> {
        Ok(Self(owner(app, &parts.headers).await?.ok_or(ErrorCode::AUTHENTICATION)?))
    }
}

impl FromRequestParts<Arc<App>> for Client {
    type Rejection = V2Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, V2Error> {
        client(app, &parts.headers).await?.map(|_| Self).ok_or(ErrorCode::AUTHENTICATION.into())
    }
}

impl FromRequestParts<Arc<App>> for Manager {
    type Rejection = V2Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, V2Error> {
        Ok(Self(manager(app, &parts.headers).ok_or(ErrorCode::AUTHENTICATION)?))
    }
}

impl FromRequestParts<Arc<App>> for Either {
    type Rejection = V2Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, V2Error> {
        if let Some(grant) = owner(app, &parts.headers).await? {
            return Ok(Self::Owner(grant));
        }
        Ok(Self::Manager(manager(app, &parts.headers).ok_or(ErrorCode::AUTHENTICATION)?))
    }
}

/// Refuses a request of nobody: what there is and what there is not is told only to those who may ask.
pub(super) async fn anybody(app: &App, headers: &HeaderMap) -> Result<(), V2Error> {
    let known = manager(app, headers).is_some()
        || owner(app, headers).await?.is_some()
        || client(app, headers).await?.is_some();
    if known { Ok(()) } else { Err(ErrorCode::AUTHENTICATION.into()) }
}

/// The vehicle, if the token covers it. One that it does not cover is answered like one that there is not.
pub(crate) async fn covered(
    app: &App,
    grant: &TokenGrant,
    vehicle: VehicleId,
) -> Result<VehicleRow, V2Error> {
    match app.vehicle(vehicle, Some(grant.application)).await {
        Ok(row) if row.user == grant.user && grant.covers(vehicle) => Ok(row),
        Ok(_) | Err(AppError::NotFound(_)) => Err(ErrorCode::PERMISSION.into()),
        Err(error) => Err(error.into()),
    }
}

async fn owner(app: &App, headers: &HeaderMap) -> Result<Option<TokenGrant>, V2Error> {
    match bearer(headers) {
        Some(token) => Ok(app.access(token).await?),
        None => Ok(None),
    }
}

/// The application of a management token, in either form that clients send it: SDKs use both, by endpoint.
fn manager(app: &App, headers: &HeaderMap) -> Option<Arc<ApplicationEntry>> {
    if let Some(token) = bearer(headers) {
        return app.application_of_management_token(token);
    }
    let (name, token) = basic(headers)?;
    (name == MANAGER).then(|| app.application_of_management_token(&token))?
}

async fn client(app: &App, headers: &HeaderMap) -> Result<Option<Arc<ApplicationEntry>>, V2Error> {
    match basic(headers) {
        Some((id, secret)) => Ok(app.authenticate_client(&id, &secret).await?),
        None => Ok(None),
    }
}

/// Name and password of `Authorization: Basic …`. None when the header is missing, repeated or of another kind.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    let bytes = scheme.eq_ignore_ascii_case("basic").then(|| BASE64.decode(encoded.trim()).ok())??;
    let text = String::from_utf8(bytes).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}
