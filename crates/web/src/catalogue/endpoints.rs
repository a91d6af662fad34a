//! Endpoints of the v2 API below a vehicle: reads that all brands have, reads of one brand, and commands.

use domain::{
    compatibility::Model,
    connect::Permission,
    signal::{BrandRead, Endpoint, Powertrain, Powertrains, SignalId},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{UnknownWord, brands, found, known, powertrains};
use crate::api_v2::brand_commands;

/// An endpoint of the v2 API below a vehicle.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueEndpoint {
    /// `GET` reads; `POST`, `PUT` and `DELETE` have the vehicle do something.
    pub method: &'static str,
    /// Below `/v2.0/vehicles/{id}`.
    #[schema(example = "/odometer")]
    pub path: String,
    /// The brand that it belongs to; null where every brand has it.
    pub brand: Option<String>,
    /// What the owner has to grant.
    #[schema(example = "read_odometer")]
    pub permission: &'static str,
    /// Whether a scheduled webhook can carry it.
    pub webhook: bool,
    /// Whether its answer is in the unit system asked for.
    pub units: bool,
    /// Codes of the signals that it carries.
    pub signals: Vec<String>,
    /// `ICE`, `HEV`, `PHEV`, `BEV`: which vehicles can have it.
    pub powertrains: Vec<&'static str>,
    /// Brands of which at least one model of this server answers it.
    pub brands: Vec<String>,
}

/// Which endpoints to show.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EndpointFilter {
    /// Words that are all found in the row.
    pub q: Option<String>,
    /// That vehicles of this brand answer: `KIA`.
    pub brand: Option<String>,
    /// That need this permission.
    pub permission: Option<String>,
    /// `true`: that a scheduled webhook can carry; `false`: all others.
    pub webhook: Option<bool>,
}

/// The endpoints that a filter shows: common reads and commands, then those of brands.
///
/// # Errors
///
/// When the filter names a brand or permission that does not exist.
pub fn endpoints(models: &[Model], filter: &EndpointFilter) -> Result<Vec<CatalogueEndpoint>, UnknownWord> {
    let reads = Endpoint::ALL.iter().map(|&endpoint| read(endpoint, models));
    let commands = COMMANDS.iter().map(|command| command_row(command, models));
    let of_brands = BrandRead::all().map(|read| of_brand(read, models));
    let commands_of_brands = brand_commands::rows().map(|row| command_of_brand(row, models));
    let mut rows: Vec<_> = reads.chain(commands).chain(of_brands).chain(commands_of_brands).collect();
    if let Some(brand) = &filter.brand {
        let brand = known("brand", brand, models.iter().map(|model| model.make.as_str()))?;
        rows.retain(|row| row.brands.iter().any(|known| known == brand));
    }
    if let Some(permission) = &filter.permission {
        let known = known("permission", permission, Permission::ALL.iter().map(|known| known.as_str()))?;
        rows.retain(|row| row.permission == known);
    }
    if let Some(webhook) = filter.webhook {
        rows.retain(|row| row.webhook == webhook);
    }
    if let Some(search) = &filter.q {
        rows.retain(|row| {
            let texts = [row.path.as_str(), row.method, row.permission].into_iter();
            let texts = texts.chain(row.signals.iter().map(String::as_str));
            found(search, texts.chain(row.brands.iter().map(String::as_str)))
        });
    }
    Ok(rows)
}

fn codes(signals: impl Iterator<Item = SignalId>) -> Vec<String> {
    let mut codes: Vec<String> = Vec::new();
    for signal in signals {
        let code = &signal.entry().code;
        if !codes.contains(code) {
            codes.push(code.clone());
        }
    }
    codes
}

fn read(endpoint: Endpoint, models: &[Model]) -> CatalogueEndpoint {
    let tells = |model: &Model| {
        let signals = endpoint.signals();
        let told = signals.is_empty() || signals.iter().any(|signal| model.signals.contains(signal));
        told && endpoint.fits(model.powertrain)
    };
    CatalogueEndpoint {
        method: "GET",
        path: endpoint.path().to_owned(),
        brand: None,
        permission: endpoint.permission().as_str(),
        webhook: true,
        units: endpoint.has_units(),
        signals: codes(endpoint.signals().iter().copied()),
        powertrains: powertrains(|powertrain| endpoint.fits(powertrain)),
        brands: brands(models, tells),
    }
}

fn of_brand(read: BrandRead, models: &[Model]) -> CatalogueEndpoint {
    CatalogueEndpoint {
        method: "GET",
        path: read.path().to_owned(),
        brand: Some(read.brand().to_uppercase()),
        permission: read.permission().as_str(),
        webhook: false,
        units: read.has_units(),
        signals: codes(read.signals()),
        powertrains: powertrains(|powertrain| read.fits(read.brand(), powertrain)),
        brands: brands(models, |model| read.fits(&model.make, model.powertrain)),
    }
}

fn command_of_brand(
    (method, brand, path, permission): (&'static str, &str, &str, Permission),
    models: &[Model],
) -> CatalogueEndpoint {
    let fits = |model: &Model| {
        model.make.eq_ignore_ascii_case(brand) && Powertrains::PLUG_IN.contains(model.powertrain)
    };
    CatalogueEndpoint {
        method,
        path: format!("/{brand}/{path}"),
        brand: Some(brand.to_uppercase()),
        permission: permission.as_str(),
        webhook: false,
        units: false,
        signals: vec![],
        powertrains: powertrains(|powertrain| Powertrains::PLUG_IN.contains(powertrain)),
        brands: brands(models, fits),
    }
}

/// Path, permission, and which vehicles can do it.
type CommandRow = (&'static str, Permission, Powertrains);

const COMMANDS: &[CommandRow] = &[
    ("/charge", Permission::ControlCharge, Powertrains::PLUG_IN),
    ("/charge/limit", Permission::ControlCharge, Powertrains::PLUG_IN),
    ("/security", Permission::ControlSecurity, Powertrains::ALL),
    ("/navigation/destination", Permission::ControlNavigation, Powertrains::ALL),
];

fn command_row(&(path, permission, fits): &CommandRow, models: &[Model]) -> CatalogueEndpoint {
    CatalogueEndpoint {
        method: "POST",
        path: path.to_owned(),
        brand: None,
        permission: permission.as_str(),
        webhook: false,
        units: false,
        signals: vec![],
        powertrains: powertrains(|powertrain: Powertrain| fits.contains(powertrain)),
        brands: brands(models, |model| fits.contains(model.powertrain)),
    }
}
