//! Permissions: what an owner can grant, and what each opens.

use domain::{compatibility::Model, connect::Permission};
use serde::Serialize;
use utoipa::ToSchema;

use super::{EndpointFilter, SignalFilter, endpoints, found, signals};
use crate::connect::permission_text;

/// A permission that an owner can grant.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CataloguePermission {
    /// The word of a scope.
    #[schema(example = "read_odometer")]
    pub name: &'static str,
    /// `read` or `control`.
    pub access: &'static str,
    /// How Connect puts it to owners.
    pub text: &'static str,
    /// Codes of the signals that need it.
    pub signals: Vec<String>,
    /// Methods and paths of v2 endpoints that need it.
    #[schema(example = json!(["GET /odometer"]))]
    pub endpoints: Vec<String>,
    /// Brands for which it opens something.
    pub brands: Vec<String>,
}

/// The permissions in whose rows all words of a search are found.
pub fn permissions(models: &[Model], search: Option<&str>) -> Vec<CataloguePermission> {
    let signals = signals(models, &SignalFilter::default()).unwrap_or_default();
    let endpoints = endpoints(models, &EndpointFilter::default()).unwrap_or_default();
    let row = |permission: &Permission| {
        let name = permission.as_str();
        let signals = || signals.iter().filter(|row| row.permission == name);
        let endpoints = || endpoints.iter().filter(|row| row.permission == name);
        let of_signals = signals().flat_map(|row| &row.brands);
        let mut brands: Vec<String> =
            of_signals.chain(endpoints().flat_map(|row| &row.brands)).cloned().collect();
        brands.sort();
        brands.dedup();
        CataloguePermission {
            name,
            access: if permission.controls() { "control" } else { "read" },
            text: permission_text(*permission),
            signals: signals().map(|row| row.code.clone()).collect(),
            endpoints: endpoints().map(|row| format!("{} {}", row.method, row.path)).collect(),
            brands,
        }
    };
    let is_found = |row: &CataloguePermission| {
        let lists = row.signals.iter().chain(&row.endpoints).map(String::as_str);
        search.is_none_or(|search| found(search, [row.name, row.access, row.text].into_iter().chain(lists)))
    };
    Permission::ALL.iter().map(row).filter(is_found).collect()
}
