//! Signals: one row per code.

use domain::{
    compatibility::Model,
    signal::{BrandRead, Endpoint, Kind, SignalId, form::Form},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{UnknownWord, brands, found, known, powertrains};

/// A signal of the catalogue.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueSignal {
    /// What triggers, data, readings and payloads call it.
    #[schema(example = "tractionbattery-stateofcharge")]
    pub code: String,
    /// The part of the vehicle, as payloads write it.
    #[schema(example = "TractionBattery")]
    pub group: &'static str,
    /// The name within the group, as payloads write it.
    #[schema(example = "StateOfCharge")]
    pub name: &'static str,
    /// `flag`, `number`, `word`, `text`, `position`, `grid`, `opening` or `composite`.
    #[schema(example = "number")]
    pub form: &'static str,
    /// What a reading may say.
    pub takes: String,
    /// The unit in which it is kept and sent; null where it has none.
    #[schema(example = "percent")]
    pub unit: Option<&'static str>,
    /// Units that readings may use: they are converted.
    pub units: Vec<&'static str>,
    /// Whether a trigger of it may have a dead band.
    pub dead_band: bool,
    /// A value as a reading has it.
    pub example: Value,
    /// What the owner has to grant.
    #[schema(example = "read_battery")]
    pub permission: &'static str,
    /// Whether it can make a unified webhook fire. Every signal can be data.
    pub trigger: bool,
    /// `ICE`, `HEV`, `PHEV`, `BEV`: which vehicles can have it.
    pub powertrains: Vec<&'static str>,
    /// Paths of v2 reads that carry it.
    pub endpoints: Vec<&'static str>,
    /// Brands of which at least one model of this server provides it.
    pub brands: Vec<String>,
}

/// Which signals to show.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SignalFilter {
    /// Words that are all found in the row.
    pub q: Option<String>,
    /// Of this group: `Charge`.
    pub group: Option<String>,
    /// That this brand provides: `KIA`.
    pub brand: Option<String>,
    /// That need this permission.
    pub permission: Option<String>,
    /// That this v2 read carries: `/battery`.
    pub endpoint: Option<String>,
    /// `true`: that can be triggers; `false`: that are data only.
    pub trigger: Option<bool>,
}

/// The signals that a filter shows, in the order of their codes.
///
/// # Errors
///
/// When the filter names a group, brand, permission or endpoint that does not exist.
pub fn signals(models: &[Model], filter: &SignalFilter) -> Result<Vec<CatalogueSignal>, UnknownWord> {
    let mut rows: Vec<CatalogueSignal> = SignalId::all().map(|signal| row(signal, models)).collect();
    rows.sort_by(|a, b| a.code.cmp(&b.code));
    let all = rows.clone();
    let keep =
        |rows: &mut Vec<CatalogueSignal>, is: &dyn Fn(&CatalogueSignal) -> bool| rows.retain(|row| is(row));
    if let Some(group) = &filter.group {
        let group = known("group", group, all.iter().map(|row| row.group))?;
        keep(&mut rows, &|row| row.group == group);
    }
    if let Some(brand) = &filter.brand {
        let brand = known("brand", brand, models.iter().map(|model| model.make.as_str()))?;
        keep(&mut rows, &|row| row.brands.iter().any(|known| known == brand));
    }
    if let Some(permission) = &filter.permission {
        let permission = known("permission", permission, all.iter().map(|row| row.permission))?;
        keep(&mut rows, &|row| row.permission == permission);
    }
    if let Some(endpoint) = &filter.endpoint {
        let endpoint = known("endpoint", endpoint, all.iter().flat_map(|row| row.endpoints.iter().copied()))?;
        keep(&mut rows, &|row| row.endpoints.contains(&endpoint));
    }
    if let Some(trigger) = filter.trigger {
        keep(&mut rows, &|row| row.trigger == trigger);
    }
    if let Some(search) = &filter.q {
        keep(&mut rows, &|row| row.is_found(search));
    }
    Ok(rows)
}

impl CatalogueSignal {
    /// Whether all words of a search are in the row.
    fn is_found(&self, search: &str) -> bool {
        let texts =
            [&self.code, self.group, self.name, self.form, self.unit.unwrap_or_default(), self.permission];
        let kind = if self.trigger { "trigger" } else { "data only" };
        let texts = texts.into_iter().chain([kind]).chain(self.endpoints.iter().copied());
        found(search, texts.chain(self.brands.iter().map(String::as_str)))
    }
}

fn row(signal: SignalId, models: &[Model]) -> CatalogueSignal {
    let (entry, form) = (signal.entry(), signal.form());
    let carry = Endpoint::ALL.iter().filter(|endpoint| endpoint.signals().contains(&signal));
    let of_brands = BrandRead::all().filter(|read| read.signals().any(|known| known == signal));
    let mut endpoints: Vec<_> =
        carry.map(|endpoint| endpoint.path()).chain(of_brands.map(BrandRead::path)).collect();
    endpoints.dedup();
    CatalogueSignal {
        code: entry.code.clone(),
        group: entry.group,
        name: entry.name,
        form: form_word(form),
        takes: form.describe(),
        unit: form.unit(),
        units: form.number().map(|number| number.dimension.words().collect()).unwrap_or_default(),
        dead_band: form.takes_dead_band(),
        example: serde_json::from_str(signal.example()).expect("examples of the table are JSON"),
        permission: entry.permission.as_str(),
        trigger: entry.kind == Kind::Signal,
        powertrains: powertrains(|powertrain| entry.powertrains.contains(powertrain)),
        endpoints,
        brands: brands(models, |model| model.signals.contains(&signal)),
    }
}

const fn form_word(form: &Form) -> &'static str {
    match form {
        Form::Flag => "flag",
        Form::Number(_) => "number",
        Form::Word(_) => "word",
        Form::Text { .. } => "text",
        Form::Position => "position",
        Form::Grid(_) => "grid",
        Form::Opening(_) => "opening",
        Form::Composite(_) => "composite",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(filter: SignalFilter) -> Vec<String> {
        signals(&[], &filter).unwrap().into_iter().map(|row| row.code).collect()
    }

    #[test]
    fn every_signal_has_a_row_with_a_form_and_an_example() {
        let rows = signals(&[], &SignalFilter::default()).unwrap();
        assert_eq!(rows.len(), SignalId::all().count());
        for row in rows {
            assert!(!row.takes.is_empty() && !row.example.is_null(), "{}", row.code);
        }
    }

    #[test]
    fn signals_are_found_by_group_permission_endpoint_trigger_and_words() {
        let fuel = codes(SignalFilter { endpoint: Some("/fuel".into()), ..SignalFilter::default() });
        assert_eq!(fuel.len(), 3);
        let data_only = codes(SignalFilter { trigger: Some(false), ..SignalFilter::default() });
        assert!(data_only.contains(&"vehicleidentification-vin".to_owned()) && data_only.len() == 6);
        let filter = SignalFilter {
            group: Some("traction battery".into()),
            permission: Some("read_battery".into()),
            q: Some("state charge".into()),
            ..SignalFilter::default()
        };
        assert_eq!(codes(filter), ["tractionbattery-stateofcharge"]);
        let unknown = SignalFilter { group: Some("Batteries".into()), ..SignalFilter::default() };
        assert_eq!(signals(&[], &unknown).unwrap_err().filter, "group");
    }
}
