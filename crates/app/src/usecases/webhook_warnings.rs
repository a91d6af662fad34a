//! What to know about a webhook and the vehicles of its application: generations that are superseded, what no vehicle can
//! provide, and what owners have not granted.

use std::collections::BTreeSet;

use domain::{
    connect::PermissionSet,
    ids::VehicleId,
    warning::Warning,
    webhook::{Candidate, Kind, gaps},
};
use hashbrown::HashMap;
use store::{VehicleFilter, VehicleRow};

use super::vehicles::PUSHED;
use crate::{App, AppError, WebhookEntry};

/// Vehicles of one page.
const AT_ONCE: usize = 512;
/// Vehicles that are looked at before nothing is said about what they can provide.
const MOST_LOOKED_AT: usize = 10_000;

/// Which vehicles lack permissions that a webhook needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    vehicles: usize,
    permissions: PermissionSet,
}

impl Missing {
    /// Looks at one more vehicle of a webhook that needs these permissions.
    pub(crate) fn add(&mut self, needed: PermissionSet, granted: PermissionSet) {
        let missing: PermissionSet =
            needed.iter().filter(|&permission| !granted.contains(permission)).collect();
        if missing.iter().next().is_some() {
            self.vehicles += 1;
            self.permissions = self.permissions.or(missing);
        }
    }

    /// What to say about it.
    pub fn warning(self) -> Option<Warning> {
        let Self { vehicles, permissions: missing } = self;
        (vehicles > 0).then_some(Warning::NotPermitted { vehicles, missing })
    }
}

impl App {
    /// What to know about what a webhook is about, whoever its receiver is.
    pub async fn settings_warnings(&self, entry: &WebhookEntry) -> Result<Vec<Warning>, AppError> {
        let mut warnings = Vec::new();
        if entry.webhook().revision.plan.kind() == Kind::Dynamic {
            warnings.push(Warning::Superseded);
        }
        if let Some(candidates) = self.candidates(entry).await? {
            let models = self.compatible_models();
            let gaps = gaps(&entry.webhook().revision.plan, &candidates, &models);
            if !gaps.is_empty() {
                warnings.push(Warning::Unlikely { gaps });
            }
        }
        Ok(warnings)
    }

    /// What the owners of these vehicles have not granted of what a webhook needs.
    pub async fn missing_permissions(
        &self,
        entry: &WebhookEntry,
        vehicles: &[VehicleId],
    ) -> Result<Missing, AppError> {
        let needed = entry.webhook().revision.plan.permissions();
        let mut missing = Missing::default();
        for &id in vehicles.iter().collect::<BTreeSet<_>>() {
            missing.add(needed, self.vehicle(id, Some(entry.webhook().application)).await?.permissions);
        }
        Ok(missing)
    }

    /// The vehicles of a webhook's application, each kind once; none when there are too many to look at.
    async fn candidates(&self, entry: &WebhookEntry) -> Result<Option<Vec<Candidate>>, AppError> {
        let mut filter =
            VehicleFilter { application: Some(entry.webhook().application), ..VehicleFilter::default() };
        let (mut kinds, mut count) = (HashMap::new(), 0);
        loop {
            let rows = self.store.list_vehicles(filter.clone(), AT_ONCE).await?;
            count += rows.len();
            if count > MOST_LOOKED_AT {
                return Ok(None);
            }
            let Some(last) = rows.last() else { return Ok(Some(kinds.into_values().collect())) };
            filter.after = Some(last.no);
            for VehicleRow { info, source, .. } in rows {
                let pushed = source.kind == PUSHED;
                let kind = (info.make.clone(), info.model.clone(), info.region, pushed);
                kinds.entry(kind).or_insert(Candidate { info, pushed });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::connect::Permission::{self, ReadBattery, ReadLocation, ReadOdometer};

    fn set(permissions: &[Permission]) -> PermissionSet {
        permissions.iter().copied().collect()
    }

    #[test]
    fn vehicles_that_lack_a_permission_are_counted_with_all_that_is_missing() {
        let mut missing = Missing::default();
        let needed = set(&[ReadOdometer, ReadBattery]);
        missing.add(needed, PermissionSet::ALL);
        missing.add(needed, needed);
        assert_eq!(missing.warning(), None);
        missing.add(needed, set(&[ReadOdometer, ReadLocation]));
        missing.add(needed, set(&[]));
        assert_eq!(missing.warning(), Some(Warning::NotPermitted { vehicles: 2, missing: needed }));
    }
}
