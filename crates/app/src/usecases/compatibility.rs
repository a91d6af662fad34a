//! Which cars can be used: by the catalogue of models, which is that of the simulated fleet.

use domain::{
    compatibility::{self, Known, Model, Verdict, vin},
    connect::Permission,
};

use crate::App;

impl App {
    /// Whether a car with an upper-case vehicle number can be used in a country, and for what.
    pub fn judge_vin(&self, vin: &str, country: &str, scope: &[Permission]) -> Verdict {
        let models = self.simulator.catalogue();
        let simulated = self.simulator.model_of_vin(vin);
        let known = match simulated.and_then(|(place, year)| Some((models.get(place)?, year))) {
            Some((model, year)) => Known::Exactly(model, year),
            None => vin::decode(vin).map_or(Known::Nothing, Known::Decoded),
        };
        compatibility::judge(&known, compatibility::region_of(country), scope, &models)
    }

    /// The models that can be used.
    pub fn compatible_models(&self) -> Vec<Model> {
        self.simulator.catalogue()
    }
}
