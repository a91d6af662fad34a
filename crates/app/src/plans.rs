//! Plans: what an application may use, as the operator has configured it.
//!
//! The plan `unlimited` is built in. An application gets no other plan than those that are configured; if its plan has left
//! the configuration since, nothing new is in it, and its webhooks are off until it is back.

use std::collections::BTreeMap;

use domain::{limits::Limit, webhook::Kind};

use crate::AppError;

/// The plan that is there without being configured: nothing is limited.
pub const UNLIMITED: &str = "unlimited";

/// The plans of this server by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plans(pub BTreeMap<String, Plan>);

/// What one plan contains.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The generations of webhooks; all of them, when there are none.
    pub webhooks: Vec<Kind>,
    /// How many vehicles may be connected.
    pub vehicles: Option<u64>,
    /// How many requests an application may make about one vehicle in a calendar month (UTC).
    pub requests: Option<u64>,
    /// How fast an application may make requests.
    pub rate: Option<Limit>,
}

impl Plans {
    /// Whether there is a plan with this name.
    pub fn is_known(&self, plan: &str) -> bool {
        plan == UNLIMITED || self.0.contains_key(plan)
    }

    /// Refuses a plan that there is not, with those that there are.
    ///
    /// # Errors
    ///
    /// [`AppError::Invalid`].
    pub fn check(&self, plan: &str) -> Result<(), AppError> {
        if self.is_known(plan) {
            return Ok(());
        }
        let configured = self.0.keys().map(String::as_str).filter(|name| *name != UNLIMITED);
        let names: Vec<_> = std::iter::once(UNLIMITED).chain(configured).collect();
        let message = format!("no plan has the name {plan:?}; choose one of {}", names.join(", "));
        Err(AppError::invalid("plan", message))
    }

    fn not_configured(&self, plan: &str) -> Option<AppError> {
        (!self.is_known(plan)).then(|| {
            AppError::Plan(format!(
                "the plan {plan:?} of the application is not configured any more; the operator can configure it or change \
                 the application's plan"
            ))
        })
    }

    /// Whether webhooks of a generation are in a plan.
    pub fn allow_webhook(&self, plan: &str, kind: Kind) -> Result<(), AppError> {
        if let Some(error) = self.not_configured(plan) {
            return Err(error);
        }
        let Some(limits) = self.0.get(plan) else { return Ok(()) };
        if limits.webhooks.is_empty() || limits.webhooks.contains(&kind) {
            return Ok(());
        }
        let kind = kind.as_str();
        Err(AppError::Plan(format!(
            "{kind} webhooks are not in the plan {plan:?}; the operator can change the application's plan"
        )))
    }

    /// How many requests about one vehicle are in a plan each month.
    pub fn requests(&self, plan: &str) -> Option<u64> {
        if !self.is_known(plan) {
            return Some(0);
        }
        self.0.get(plan)?.requests
    }

    /// How many vehicles a plan has room for.
    pub fn vehicles(&self, plan: &str) -> Option<u64> {
        self.0.get(plan)?.vehicles
    }

    /// How fast applications of a plan may make requests.
    pub fn rate(&self, plan: &str) -> Option<Limit> {
        self.0.get(plan)?.rate
    }

    /// Whether so many more vehicles are in a plan.
    pub fn allow_vehicles(&self, plan: &str, connected: u64, more: u64) -> Result<(), AppError> {
        if let Some(error) = self.not_configured(plan) {
            return Err(error);
        }
        match self.0.get(plan).and_then(|limits| limits.vehicles) {
            Some(most) if connected + more > most => Err(AppError::Plan(format!(
                "the plan {plan:?} ends at {most} vehicles, of which {connected} are connected; \
                 disconnect some or change the application's plan"
            ))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_allows_what_it_names_and_one_that_is_not_configured_nothing() {
        let paid =
            Plan { webhooks: vec![Kind::Unified, Kind::Scheduled], vehicles: Some(10), ..Plan::default() };
        let free =
            Plan { webhooks: vec![Kind::Unified], vehicles: Some(1), requests: Some(500), ..Plan::default() };
        let plans = Plans([("free".into(), free), ("paid".into(), paid)].into_iter().collect());
        assert!(plans.allow_webhook("paid", Kind::Scheduled).is_ok());
        assert!(plans.allow_webhook("free", Kind::Scheduled).is_err());
        assert!(plans.allow_webhook("paid", Kind::EventBased).is_err());
        assert!(plans.allow_webhook(UNLIMITED, Kind::EventBased).is_ok());
        assert!(plans.allow_webhook("gold", Kind::EventBased).is_err());
        assert_eq!(
            (
                plans.requests("free"),
                plans.requests("paid"),
                plans.requests(UNLIMITED),
                plans.requests("gold")
            ),
            (Some(500), None, None, Some(0))
        );
        assert!(plans.allow_vehicles("free", 0, 1).is_ok());
        assert!(plans.allow_vehicles("free", 1, 1).is_err());
        assert!(plans.allow_vehicles(UNLIMITED, 1 << 40, 1).is_ok());
        assert!(plans.allow_vehicles("gold", 0, 1).is_err());
        assert!(plans.check("paid").is_ok() && plans.check(UNLIMITED).is_ok());
        let refused = plans.check("gold").unwrap_err().to_string();
        assert_eq!(refused, "no plan has the name \"gold\"; choose one of unlimited, free, paid");
    }
}
