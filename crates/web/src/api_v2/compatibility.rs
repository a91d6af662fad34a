//! `GET /v2.0/compatibility` and `/v2.0/compatibility/matrix`: which cars can be used, for applications that have not
//! sent anybody through the consent flow yet.

use std::{collections::BTreeMap, sync::Arc};

use app::App;
use axum::{Json, extract::State};
use domain::{
    compatibility::{self, Level, Reason, Verdict, Wish, vin},
    connect::Permission,
    signal::Powertrain,
    vehicle::Region,
};
use serde::{Deserialize, Serialize};

use super::{V2Query, auth::Client, error::V2Error};

const USUAL_COUNTRY: &str = "US";

/// Which car, for what, and where.
#[derive(Debug, Deserialize)]
pub(super) struct OneCar {
    vin: Option<String>,
    scope: Option<String>,
    country: Option<String>,
    mode: Option<String>,
    test_mode_compatibility_level: Option<String>,
}

/// Which models.
#[derive(Debug, Deserialize)]
pub(super) struct ManyCars {
    region: Option<String>,
    #[serde(rename = "type")]
    powertrain: Option<String>,
    make: Option<String>,
    scope: Option<String>,
}

/// Whether a car can be used, and for what.
#[derive(Serialize)]
pub(super) struct Compatibility {
    compatible: bool,
    reason: Option<&'static str>,
    capabilities: Vec<Capability>,
}

#[derive(Serialize)]
struct Capability {
    permission: &'static str,
    endpoint: Option<&'static str>,
    capable: bool,
    reason: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    model: String,
    start_year: u16,
    end_year: u16,
    #[serde(rename = "type")]
    powertrain: &'static str,
    endpoints: Vec<&'static str>,
    permissions: Vec<&'static str>,
}

impl From<Verdict> for Compatibility {
    fn from(verdict: Verdict) -> Self {
        let capability = |capability: compatibility::Capability| Capability {
            permission: capability.permission.as_str(),
            endpoint: capability.endpoint,
            capable: capability.lacking.is_none(),
            reason: capability.lacking.map(Reason::as_str),
        };
        Self {
            compatible: verdict.reason.is_none(),
            reason: verdict.reason.map(Reason::as_str),
            capabilities: verdict.capabilities.into_iter().map(capability).collect(),
        }
    }
}

/// Judges one car. In test mode, what it can do is asked for beside its number.
pub(super) async fn by_vin(
    State(app): State<Arc<App>>,
    _: Client,
    V2Query(car): V2Query<OneCar>,
) -> Result<Json<Compatibility>, V2Error> {
    let vin = car.vin.as_deref().unwrap_or_default().to_ascii_uppercase();
    if !vin::is_vin(&vin) {
        return Err(V2Error::invalid("vin", "a vehicle number has 17 letters and digits"));
    }
    let scope = scope(car.scope.as_deref())?;
    if scope.is_empty() {
        return Err(V2Error::invalid("scope", "name the permissions, separated by spaces"));
    }
    if let Some(level) = level(&car)? {
        return Ok(Json(level.judge(&scope).into()));
    }
    let country = car.country.as_deref().unwrap_or(USUAL_COUNTRY);
    if country.len() != 2 {
        return Err(V2Error::invalid("country", "a country is two letters of ISO 3166-1, such as US"));
    }
    Ok(Json(app.judge_vin(&vin, country, &scope).into()))
}

fn level(car: &OneCar) -> Result<Option<Level>, V2Error> {
    let level = car.test_mode_compatibility_level.as_deref();
    if car.mode.as_deref() != Some("test") && level.is_none() {
        return Ok(None);
    }
    match level.and_then(Level::from_word) {
        Some(level) => Ok(Some(level)),
        None => {
            let words = Level::ALL.map(Level::as_str).join(",");
            let message = format!("Field must be one of: [{words}]");
            Err(V2Error::invalid("test_mode_compatibility_level", message))
        }
    }
}

/// The table of models, by make.
pub(super) async fn by_region(
    State(app): State<Arc<App>>,
    _: Client,
    V2Query(cars): V2Query<ManyCars>,
) -> Result<Json<BTreeMap<String, Vec<Row>>>, V2Error> {
    let region = cars.region.as_deref().and_then(Region::from_word);
    let region = region.ok_or_else(|| V2Error::invalid("region", "the region is US, CA or EUROPE"))?;
    let powertrain = match cars.powertrain.as_deref().filter(|word| !word.is_empty()) {
        None => None,
        Some(word) => Some(
            Powertrain::ALL
                .into_iter()
                .find(|known| known.as_str().eq_ignore_ascii_case(word))
                .ok_or_else(|| V2Error::invalid("type", "the type is ICE, HEV, PHEV or BEV"))?,
        ),
    };
    let makes = cars.make.as_deref().unwrap_or_default().split_whitespace().map(Into::into).collect();
    let wish = Wish { region, powertrain, makes, scope: scope(cars.scope.as_deref())? };
    let models = app.compatible_models();
    let mut table: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for (make, row) in compatibility::table(&wish, &models) {
        table.entry(make.to_owned()).or_default().push(Row {
            model: row.model.to_owned(),
            start_year: row.years.0,
            end_year: row.years.1,
            powertrain: row.powertrain.as_str(),
            endpoints: row.features,
            permissions: row.permissions.into_iter().map(Permission::as_str).collect(),
        });
    }
    Ok(Json(table))
}

/// Permissions separated by spaces, with or without the mark of those that are required.
fn scope(text: Option<&str>) -> Result<Vec<Permission>, V2Error> {
    let words = text.unwrap_or_default().split_whitespace();
    let parsed = words.map(|word| word.trim_start_matches("required:").parse());
    parsed
        .collect::<Result<_, _>>()
        .map_err(|unknown: domain::connect::UnknownPermission| V2Error::invalid("scope", unknown.to_string()))
}
