//! How a visit to Connect ends, and what the application is told of it.

use super::{
    authorize::{AuthorizeRequest, Destination, Returned},
    form,
};
use crate::ids::{UserId, VehicleId};

macro_rules! errors {
    ($($number:literal $name:ident $text:literal $meaning:literal),* $(,)?) => {
        /// Why an application gets no access. The discriminant is kept in links.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "each is described in its table below")]
        pub enum ConnectError { $($name = $number),* }

        impl ConnectError {
            /// All of them, by number.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word of the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// What it means, for those who write the application.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$name => $meaning),* }
            }
        }
    };
}

errors! {
    0 AccessDenied "access_denied" "The owner refused to give access.",
    1 VehicleIncompatible "vehicle_incompatible" "The vehicle, or its brand, cannot give what is required.",
    2 InvalidSubscription "invalid_subscription" "The connected services of the vehicle are not active.",
    3 NoVehicles "no_vehicles" "There is no such vehicle in the owner's account at the brand.",
    4 ConfigurationError "configuration_error" "The owner met an error page and left.",
    5 OemCancelledLogin "oem_cancelled_login" "The owner left the brand's login.",
    6 UserManuallyReturned "user_manually_returned_to_application" "The owner went back before giving access.",
    7 ServerError "server_error" "Something failed inside; send the owner again later.",
    8 BatteryCapacityNoSelection "battery_capacity_no_selection" "The owner did not say which battery the vehicle has.",
    9 InvalidRequest "invalid_request" "The request is malformed.",
    10 UnsupportedResponseType "unsupported_response_type" "The request wants what there is not.",
    11 InvalidScope "invalid_scope" "The request names a permission that there is not.",
}

impl ConnectError {
    /// From the number that is kept.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// Every name that a result may have.
pub const NAMES: &[&str] = &[
    "code",
    "state",
    "user_id",
    "external_id",
    "virtual_key_url",
    "vehicle_id",
    "selected_capacity",
    "reason",
    "error",
    "error_description",
    "vin",
    "make",
    "model",
    "year",
    "status_code",
    "error_message",
    "iss",
];

/// Names and values that the application gets, in their order.
pub type Told = Vec<(&'static str, String)>;

/// What an owner's visit has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Access was given.
    Granted {
        /// The code, where one was asked for.
        code: Option<String>,
        /// The owner.
        user: UserId,
        /// The application's own id of the owner, where it is to be returned.
        external_id: Option<String>,
        /// Where the owner adds the digital key that some cars want.
        virtual_key_url: Option<String>,
    },
    /// The vehicle has its access again, or its capacity.
    Vehicle {
        /// The vehicle.
        vehicle: VehicleId,
        /// The owner, where the application may know.
        user: Option<UserId>,
        /// The application's own id of the owner, where it is to be returned.
        external_id: Option<String>,
        /// In kWh, as it is written.
        selected_capacity: Option<String>,
    },
    /// It was not.
    Failed {
        /// Why.
        error: ConnectError,
        /// Instead of the usual words.
        description: Option<String>,
        /// More about it: `vin`, `make`, `model`, `year`; `status_code`, `error_message`.
        extras: Told,
    },
}

impl Outcome {
    /// A failure without more to say.
    pub const fn failed(error: ConnectError) -> Self {
        Self::Failed { error, description: None, extras: Vec::new() }
    }

    /// What the application is told.
    pub fn told(self, state: Option<&str>) -> Told {
        let mut told = Told::new();
        let state = state.map(|state| ("state", state.to_owned()));
        match self {
            Self::Granted { code, user, external_id, virtual_key_url } => {
                told.extend(code.map(|code| ("code", code)));
                told.extend(state);
                told.push(("user_id", user.to_string()));
                told.extend(external_id.map(|id| ("external_id", id)));
                told.extend(virtual_key_url.map(|url| ("virtual_key_url", url)));
            }
            Self::Vehicle { vehicle, user, external_id, selected_capacity } => {
                told.push(("vehicle_id", vehicle.to_string()));
                told.extend(state);
                if let Some(capacity) = selected_capacity {
                    told.push(("selected_capacity", capacity));
                    told.push(("reason", "battery_capacity".into()));
                }
                told.extend(user.map(|user| ("user_id", user.to_string())));
                told.extend(external_id.map(|id| ("external_id", id)));
            }
            Self::Failed { error, description, extras } => {
                told.push(("error", error.as_str().into()));
                told.push(("error_description", description.unwrap_or_else(|| error.description().into())));
                told.extend(state);
                told.extend(extras);
            }
        }
        debug_assert!(told.iter().all(|(name, _)| NAMES.contains(name)), "a name that is not in the list");
        told
    }
}

/// The end of a visit, as the browser sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The browser goes to this URI.
    Redirect(String),
    /// A page of ours says what came of it, and tells the window that opened it.
    Page(Told),
}

/// Leads the owner away. `issuer` says which server answers, so that a client of several cannot be confused.
pub fn end(request: &AuthorizeRequest, outcome: Outcome, issuer: &str) -> End {
    lead(&request.to, outcome.told(request.state.as_deref()), issuer)
}

/// Leads the owner of a refused request back.
pub fn end_refused(refused: Returned, issuer: &str) -> End {
    let Returned { to, state, error, description } = refused;
    let outcome = Outcome::Failed { error, description: Some(description), extras: vec![] };
    lead(&to, outcome.told(state.as_deref()), issuer)
}

fn lead(to: &Destination, mut told: Told, issuer: &str) -> End {
    match to {
        Destination::Hosted { .. } => End::Page(told),
        Destination::Redirect(uri) => {
            told.push(("iss", issuer.to_owned()));
            End::Redirect(form::with_query(uri, told.iter().map(|(name, value)| (*name, value.as_str()))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_their_numbers() {
        for (number, error) in (0..).zip(ConnectError::ALL) {
            assert_eq!(ConnectError::from_number(number), Some(*error));
        }
        assert_eq!(ConnectError::from_number(200), None);
    }

    #[test]
    fn a_result_is_added_to_what_the_address_has() {
        let refused = Returned {
            to: Destination::Redirect("https://a.example/back?app=1".into()),
            state: Some("a&error=no".into()),
            error: ConnectError::InvalidScope,
            description: "no such thing".into(),
        };
        assert_eq!(
            end_refused(refused, "https://milepost.example"),
            End::Redirect(
                "https://a.example/back?app=1&error=invalid_scope&error_description=no%20such%20thing\
                 &state=a%26error%3Dno&iss=https%3A%2F%2Fmilepost.example"
                    .into()
            )
        );
    }

    #[test]
    fn a_granted_access_names_its_owner_and_a_code_only_where_there_is_one() {
        let user: UserId = "0190a8c8-0000-7000-8000-000000000001".parse().unwrap();
        let granted = |code: Option<&str>, external_id: Option<&str>| Outcome::Granted {
            code: code.map(str::to_owned),
            user,
            external_id: external_id.map(str::to_owned),
            virtual_key_url: None,
        };
        let names = |told: Told| told.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(granted(Some("c"), None).told(Some("s"))), ["code", "state", "user_id"]);
        assert_eq!(names(granted(None, Some("e")).told(None)), ["user_id", "external_id"]);
    }
}
