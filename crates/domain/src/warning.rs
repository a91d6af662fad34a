//! Warnings: what somebody who has just created or changed something should know about it, though it was done.
//!
//! A warning has a code, which programs look at and which never changes, and a sentence that says what follows and what
//! to do. Who decides on a warning is the part that knows; here is how each reads.

use std::fmt;

use crate::{
    connect::PermissionSet,
    webhook::{Disabled, Webhook},
};

/// Something that whoever has made a change should know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The callback URI of the webhook has not answered a challenge.
    NotVerified,
    /// The URI for errors of the webhook is on another origin and has not answered a challenge.
    ErrorUriNotVerified,
    /// Errors are sent to a URI on another origin that is never challenged.
    ErrorUriUnchecked,
    /// Webhooks of the application were switched off, because its plan does not have their generation.
    WebhooksSwitchedOff {
        /// How many are off for this reason now.
        webhooks: usize,
    },
    /// More vehicles are connected than the plan has room for.
    TooManyVehicles {
        /// How many are connected.
        connected: u64,
        /// How many the plan has room for.
        most: u64,
    },
    /// The webhook is switched off.
    SwitchedOff(Disabled),
    /// The generation of the webhook is superseded.
    Superseded,
    /// Some vehicles cannot be on the webhook.
    NotCovered {
        /// How many.
        vehicles: usize,
    },
    /// Owners have not granted all that the webhook sends or waits for.
    NotPermitted {
        /// How many vehicles lack a permission.
        vehicles: usize,
        /// What is missing of at least one of them.
        missing: PermissionSet,
    },
    /// No vehicle that is connected can provide some of what the webhook is about.
    Unlikely {
        /// Triggers, endpoints or events, as the API names them.
        gaps: Vec<String>,
    },
}

impl Warning {
    /// What programs look at.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotVerified => "notVerified",
            Self::ErrorUriNotVerified => "errorUriNotVerified",
            Self::ErrorUriUnchecked => "errorUriUnchecked",
            Self::WebhooksSwitchedOff { .. } => "webhooksSwitchedOff",
            Self::TooManyVehicles { .. } => "tooManyVehicles",
            Self::SwitchedOff(_) => "switchedOff",
            Self::Superseded => "superseded",
            Self::NotCovered { .. } => "notCovered",
            Self::NotPermitted { .. } => "notPermitted",
            Self::Unlikely { .. } => "unlikely",
        }
    }

    /// Why a webhook gets no data now, as far as it is to blame for that.
    pub fn of_webhook(webhook: &Webhook) -> Vec<Self> {
        let mut warnings = Vec::new();
        warnings.extend(webhook.status.disabled.map(Self::SwitchedOff));
        if !webhook.status.verified {
            warnings.push(Self::NotVerified);
        }
        if webhook.status.errors_withheld {
            warnings.push(Self::ErrorUriNotVerified);
        }
        if webhook.revision.error_uri_unchecked && webhook.revision.error_uri.is_some() {
            warnings.push(Self::ErrorUriUnchecked);
        }
        warnings
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotVerified => f.write_str(
                "the callback URI has not answered a challenge, so the webhook gets no vehicle data; verify the webhook",
            ),
            Self::ErrorUriNotVerified => f.write_str(
                "the URI for errors is on another origin than the callback URI and has not answered a challenge, so errors of \
                 vehicles are not sent; verify the webhook, or set verifyErrorUri to false if the receiver cannot answer",
            ),
            Self::ErrorUriUnchecked => f.write_str(
                "the URI for errors is not asked for a challenge (verifyErrorUri is false): signed data of vehicles goes \
                 there whoever answers",
            ),
            Self::WebhooksSwitchedOff { webhooks } => {
                let (noun, verb) = if *webhooks == 1 { ("webhook", "is") } else { ("webhooks", "are") };
                write!(f, "{webhooks} {noun} of the application {verb} switched off, because its plan does not have such \
                    webhooks; they go on when it has them again")
            }
            Self::TooManyVehicles { connected, most } => {
                write!(f, "{connected} vehicles are connected, and the plan has room for {most}; no more can be connected")
            }
            Self::SwitchedOff(why) => {
                write!(f, "the webhook is switched off ({}), so it gets no vehicle data; ", why.phrase())?;
                f.write_str(match why {
                    Disabled::Operator | Disabled::RetriesUsedUp => "enable it when its receiver is ready",
                    Disabled::PlanChanged => "give the application a plan that has them",
                })
            }
            Self::Superseded => f.write_str(
                "dynamic webhooks are superseded by unified webhooks, which send chosen signals when chosen signals change",
            ),
            Self::NotCovered { vehicles } => {
                let (noun, verb) = if *vehicles == 1 { ("vehicle", "is") } else { ("vehicles", "are") };
                write!(f, "{vehicles} {noun} of the application {verb} not covered by the webhook and {verb} not on it")
            }
            Self::NotPermitted { vehicles, missing } => {
                let owners = if *vehicles == 1 { "the owner of 1 vehicle has".into() } else { format!("the owners of {vehicles} vehicles have") };
                let names: Vec<&str> = missing.iter().map(|permission| permission.as_str()).collect();
                write!(f, "{owners} not granted {}, so the webhook gets an error in the place of that data; ask for it in Connect",
                    names.join(", "))
            }
            Self::Unlikely { gaps } => {
                write!(f, "no vehicle that is connected now provides {}; the webhook waits for other vehicles", gaps.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Permission;

    #[test]
    fn every_warning_has_a_code_of_its_own_and_a_sentence() {
        let all = [
            Warning::NotVerified,
            Warning::ErrorUriNotVerified,
            Warning::ErrorUriUnchecked,
            Warning::WebhooksSwitchedOff { webhooks: 1 },
            Warning::TooManyVehicles { connected: 3, most: 2 },
            Warning::SwitchedOff(Disabled::RetriesUsedUp),
            Warning::Superseded,
            Warning::NotCovered { vehicles: 2 },
            Warning::NotPermitted { vehicles: 2, missing: [Permission::ReadOdometer].into_iter().collect() },
            Warning::Unlikely { gaps: vec!["charging events".into()] },
        ];
        let codes: std::collections::BTreeSet<_> = all.iter().map(Warning::code).collect();
        assert_eq!(codes.len(), all.len());
        for warning in all {
            let text = warning.to_string();
            assert!(text.len() > 20 && !text.ends_with('.'), "{text}");
        }
    }

    #[test]
    fn one_vehicle_is_not_several() {
        let text = Warning::NotCovered { vehicles: 1 }.to_string();
        assert_eq!(text, "1 vehicle of the application is not covered by the webhook and is not on it");
        let missing = [Permission::ReadOdometer, Permission::ReadBattery].into_iter().collect();
        let text = Warning::NotPermitted { vehicles: 1, missing }.to_string();
        assert!(text.starts_with("the owner of 1 vehicle has not granted read_odometer, read_battery, so"), "{text}");
    }
}
