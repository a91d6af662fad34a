//! Plans: what an application may use, as the operator has configured it. A plan that is not configured is open.

use std::collections::BTreeMap;

use domain::{limits::Limit, webhook::Kind};

use crate::AppError;

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
    /// Whether webhooks of a generation are in a plan.
    pub fn allow_webhook(&self, plan: &str, kind: Kind) -> Result<(), AppError> {
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
        self.0.get(plan)?.requests
    }

    /// How fast applications of a plan may make requests.
    pub fn rate(&self, plan: &str) -> Option<Limit> {
        self.0.get(plan)?.rate
    }

    /// Whether so many more vehicles are in a plan.
    pub fn allow_vehicles(&self, plan: &str, connected: u64, more: u64) -> Result<(), AppError> {
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
    fn a_plan_allows_what_it_names_and_an_unknown_plan_everything() {
        let paid =
            Plan { webhooks: vec![Kind::Unified, Kind::Scheduled], vehicles: Some(10), ..Plan::default() };
        let free =
            Plan { webhooks: vec![Kind::Unified], vehicles: Some(1), requests: Some(500), ..Plan::default() };
        let plans = Plans([("free".into(), free), ("paid".into(), paid)].into_iter().collect());
        assert!(plans.allow_webhook("paid", Kind::Scheduled).is_ok());
        assert!(plans.allow_webhook("free", Kind::Scheduled).is_err());
        assert!(plans.allow_webhook("paid", Kind::EventBased).is_err());
        assert!(plans.allow_webhook("open", Kind::EventBased).is_ok());
        assert_eq!(
            (plans.requests("free"), plans.requests("paid"), plans.requests("open")),
            (Some(500), None, None)
        );
        assert!(plans.allow_vehicles("free", 0, 1).is_ok());
        assert!(plans.allow_vehicles("free", 1, 1).is_err());
        assert!(plans.allow_vehicles("open", 1 << 40, 1).is_ok());
    }
}
