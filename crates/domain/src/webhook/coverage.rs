//! Which vehicles charging events can be had of: by brand, model and region, as data.

use crate::vehicle::{Region, VehicleInfo};

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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{ids::VehicleId, signal::Powertrain, vehicle::Mode};

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
            let vehicle = VehicleInfo {
                id: VehicleId(Uuid::nil()),
                make: make.into(),
                model: model.into(),
                year: 2022,
                mode: Mode::Live,
                powertrain: Powertrain::Bev,
                region,
            };
            assert_eq!(charging_coverage(&vehicle), expected, "{make} {model} {region:?}");
        }
    }
}
