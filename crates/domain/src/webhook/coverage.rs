//! What can be had of vehicles: charging events by brand, model and region, as data; signals by the catalogue of models.

use super::Plan;
use crate::{
    compatibility::Model,
    signal::SignalId,
    vehicle::{Region, VehicleInfo},
};

/// Whether charging events of a vehicle can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Yes.
    Covered,
    /// Yes, once the owner has approved it at the brand.
    NeedsApproval,
    /// Of some vehicles of the brand, but not of this model or in this region.
    NotThisModel,
    /// Of no vehicle of the brand.
    NotThisMake,
}

struct Row {
    make: &'static str,
    /// Any, when there is none.
    model: Option<&'static str>,
    /// Everywhere, when there are none.
    regions: &'static [Region],
    needs_approval: bool,
}

const ROWS: &[Row] = &[
    Row { make: "TESLA", model: None, regions: &[], needs_approval: false },
    Row { make: "FORD", model: None, regions: &[], needs_approval: true },
    Row {
        make: "TOYOTA",
        model: Some("RAV4 Prime"),
        regions: &[Region::UnitedStates, Region::Canada],
        needs_approval: false,
    },
];

/// Whether charging events of a vehicle can be had.
pub fn charging_coverage(vehicle: &VehicleInfo) -> Coverage {
    let mut of_make = ROWS.iter().filter(|row| row.make == vehicle.make).peekable();
    if of_make.peek().is_none() {
        return Coverage::NotThisMake;
    }
    let row = of_make.find(|row| {
        row.model.is_none_or(|model| model.eq_ignore_ascii_case(&vehicle.model))
            && (row.regions.is_empty() || row.regions.contains(&vehicle.region))
    });
    match row {
        Some(row) if row.needs_approval => Coverage::NeedsApproval,
        Some(_) => Coverage::Covered,
        None => Coverage::NotThisModel,
    }
}

/// A vehicle that a webhook could be about.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// What it is.
    pub info: VehicleInfo,
    /// Its readings are pushed, so it can provide every signal.
    pub pushed: bool,
}

/// What a webhook is about that none of some vehicles can provide, as the API names it: triggers, endpoints, or
/// `charging events`. Empty when there are no vehicles, and of brands that the catalogue does not know nothing is missing.
pub fn gaps(plan: &Plan, vehicles: &[Candidate], models: &[Model]) -> Vec<String> {
    if vehicles.is_empty() {
        return Vec::new();
    }
    let lacks = |signals: &[SignalId]| {
        !signals.is_empty() && !vehicles.iter().any(|vehicle| provides_any(vehicle, signals, models))
    };
    match plan {
        Plan::EventBased(_) => {
            let reports = |vehicle: &Candidate| {
                matches!(charging_coverage(&vehicle.info), Coverage::Covered | Coverage::NeedsApproval)
            };
            let none = !vehicles.iter().any(reports);
            none.then(|| "charging events".to_owned()).into_iter().collect()
        }
        Plan::Unified(unified) => {
            let triggers = unified.triggers.iter().map(|trigger| trigger.signal);
            triggers.filter(|&signal| lacks(&[signal])).map(|signal| signal.entry().code.clone()).collect()
        }
        Plan::Scheduled(_) | Plan::Dynamic(_) => {
            let endpoints = plan.endpoints().unwrap_or_default().iter();
            endpoints.filter(|at| lacks(at.signals())).map(|at| at.path().to_owned()).collect()
        }
    }
}

/// Whether a vehicle provides at least one of some signals, by its model or, where that is not known, by its brand.
fn provides_any(vehicle: &Candidate, signals: &[SignalId], models: &[Model]) -> bool {
    let of_brand = || models.iter().filter(|model| model.make == vehicle.info.make);
    let is_same = |model: &&Model| model.model.eq_ignore_ascii_case(&vehicle.info.model);
    let known_model = of_brand().any(|model| is_same(&model));
    let mut alike = of_brand().filter(|model| !known_model || is_same(model)).peekable();
    vehicle.pushed
        || alike.peek().is_none()
        || alike.any(|model| signals.iter().any(|signal| model.signals.contains(signal)))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        ids::VehicleId,
        signal::{Endpoint, IS_CHARGING, ODOMETER, Powertrain, STATE_OF_CHARGE},
        vehicle::Mode,
        webhook::{
            ChargingEvent, EventBased, Profile, Scheduled, ScheduledName, SimulatedMode, Trigger, Unified,
        },
    };

    fn vehicle(make: &str, model: &str, pushed: bool) -> Candidate {
        let info = VehicleInfo {
            id: VehicleId(Uuid::nil()),
            make: make.into(),
            model: model.into(),
            year: 2022,
            mode: Mode::Live,
            powertrain: Powertrain::Bev,
            region: Region::Europe,
        };
        Candidate { info, pushed }
    }

    fn model(make: &str, model: &str, signals: &[SignalId]) -> Model {
        Model {
            make: make.into(),
            model: model.into(),
            years: (2018, 2026),
            powertrain: Powertrain::Bev,
            regions: vec![Region::Europe],
            signals: signals.to_vec(),
        }
    }

    #[track_caller]
    fn missing(plan: &Plan, vehicles: &[Candidate], expected: &[&str]) {
        let models = [
            model("KIA", "EV6", &[ODOMETER]),
            model("KIA", "Niro", &[ODOMETER, STATE_OF_CHARGE]),
            model("TESLA", "Model 3", &[STATE_OF_CHARGE]),
        ];
        assert_eq!(gaps(plan, vehicles, &models), expected);
    }

    #[test]
    fn what_no_connected_vehicle_can_provide_is_named() {
        let trigger = |signal| Trigger { signal, dead_band: None };
        let unified = Plan::Unified(Unified {
            triggers: vec![trigger(STATE_OF_CHARGE), trigger(ODOMETER), trigger(IS_CHARGING)],
            data: vec![],
            profile: Profile::Union,
            simulated_mode: SimulatedMode::Simulated,
            lenient_verification: false,
        });
        let (charge, charging) = (STATE_OF_CHARGE.entry().code.as_str(), IS_CHARGING.entry().code.as_str());
        missing(&unified, &[], &[]);
        missing(&unified, &[vehicle("KIA", "ev6", false)], &[charge, charging]);
        missing(&unified, &[vehicle("KIA", "Niro", false)], &[charging]);
        missing(&unified, &[vehicle("KIA", "EV9", false)], &[charging]);
        missing(&unified, &[vehicle("KIA", "EV6", false), vehicle("TESLA", "Model 3", false)], &[charging]);
        missing(&unified, &[vehicle("KIA", "EV6", false), vehicle("KIA", "EV6", true)], &[]);
        missing(&unified, &[vehicle("TRABANT", "601", false)], &[]);

        let scheduled = Plan::Scheduled(Scheduled {
            cadence: crate::cadence::Cadence::every_hours(1).unwrap(),
            endpoints: [Endpoint::Attributes, Endpoint::Odometer, Endpoint::Battery].into_iter().collect(),
            units: crate::units::UnitSystem::Metric,
            event_name: ScheduledName::Schedule,
            vehicles_per_request: 1,
        });
        missing(&scheduled, &[vehicle("KIA", "EV6", false)], &["/battery"]);
        missing(&scheduled, &[vehicle("TESLA", "Model 3", false)], &["/odometer"]);

        let events = Plan::EventBased(EventBased { events: ChargingEvent::ALL.iter().copied().collect() });
        missing(&events, &[vehicle("KIA", "EV6", false), vehicle("BMW", "i4", true)], &["charging events"]);
        missing(&events, &[vehicle("KIA", "EV6", false), vehicle("FORD", "Mustang Mach-E", false)], &[]);
    }

    #[test]
    fn charging_events_are_had_of_some_brands_models_and_regions() {
        use Coverage::*;
        let table = [
            ("TESLA", "Model 3", Region::Europe, Covered),
            ("TESLA", "Model Y", Region::UnitedStates, Covered),
            ("FORD", "Mustang Mach-E", Region::Europe, NeedsApproval),
            ("TOYOTA", "RAV4 Prime", Region::UnitedStates, Covered),
            ("TOYOTA", "RAV4 prime", Region::Canada, Covered),
            ("TOYOTA", "RAV4 Prime", Region::Europe, NotThisModel),
            ("TOYOTA", "bZ4X", Region::UnitedStates, NotThisModel),
            ("BMW", "i4", Region::Europe, NotThisMake),
        ];
        for (make, model, region, expected) in table {
            let vehicle = VehicleInfo { region, ..vehicle(make, model, false).info };
            assert_eq!(charging_coverage(&vehicle), expected, "{make} {model} {region:?}");
        }
    }
}
