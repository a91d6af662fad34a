//! What can be wrong with a simulated car, and the logins and vehicle numbers of test cars that ask for it.

use std::time::Duration;

use domain::{compatibility::Level, errors::ErrorCode, signal::SignalId, time::Timestamp, vehicle::Fault};
use minicbor::{Decoder, Encoder, decode::Error, encode::Write};

use super::models::SignalSet;

/// A trouble that somebody gave to a car. Without one, it answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    /// Every read fails.
    Fail(ErrorCode),
    /// Every read before a moment fails.
    FailUntil(ErrorCode, Timestamp),
    /// Some signals fail, the others answer.
    FailSignals(SignalSet, ErrorCode),
    /// Every read is refused with `RATE_LIMIT:VEHICLE`, and with a time to stay away.
    Throttled {
        /// How long to stay away.
        retry_after: Duration,
    },
}

impl Trouble {
    /// The car sleeps.
    pub const ASLEEP: Self = Self::Fail(ErrorCode::VEHICLE_STATE_ASLEEP);
    /// The car is no longer in the owner's account.
    pub const MISSING: Self = Self::Fail(ErrorCode::CONNECTED_SERVICES_ACCOUNT_VEHICLE_MISSING);

    /// The error of its reads.
    pub const fn code(&self) -> ErrorCode {
        match *self {
            Self::Fail(code) | Self::FailUntil(code, _) | Self::FailSignals(_, code) => code,
            Self::Throttled { .. } => ErrorCode::RATE_LIMIT_VEHICLE,
        }
    }

    /// How a read as a whole fails, if it does.
    pub(super) fn of_read(&self, now: Timestamp) -> Option<Fault> {
        match *self {
            Self::Fail(code) => Some(code.into()),
            Self::FailUntil(code, end) => (now < end).then(|| code.into()),
            Self::FailSignals(..) => None,
            Self::Throttled { retry_after } => {
                Some(Fault { code: ErrorCode::RATE_LIMIT_VEHICLE, retry_after: Some(retry_after) })
            }
        }
    }

    /// How one signal of a read fails, if it does.
    pub(super) fn of_signal(&self, signal: SignalId) -> Option<Fault> {
        match *self {
            Self::FailSignals(failing, code) if failing.contains(signal) => Some(code.into()),
            _ => None,
        }
    }

    pub(super) fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match *self {
            Self::Fail(code) => e.array(2)?.u8(0)?.u8(code.number())?,
            Self::FailUntil(code, end) => e.array(3)?.u8(1)?.u8(code.number())?.i64(end.as_micros())?,
            Self::FailSignals(signals, code) => {
                e.array(3)?.u8(2)?.u8(code.number())?.bytes(&signals.to_bytes())?
            }
            Self::Throttled { retry_after } => e.array(2)?.u8(3)?.u64(retry_after.as_secs())?,
        };
        Ok(())
    }

    pub(super) fn decode(d: &mut Decoder<'_>) -> Result<Self, Error> {
        let fields = d.array()?;
        let trouble = match (d.u8()?, fields) {
            (0, Some(2)) => Self::Fail(code(d)?),
            (1, Some(3)) => Self::FailUntil(code(d)?, Timestamp::from_micros(d.i64()?)),
            (2, Some(3)) => {
                let code = code(d)?;
                let bytes = d.bytes()?.try_into().map_err(|_| Error::message("not a set of signals"))?;
                Self::FailSignals(SignalSet::from_bytes(bytes), code)
            }
            (3, Some(2)) => Self::Throttled { retry_after: Duration::from_secs(d.u64()?) },
            _ => return Err(Error::message("a trouble that this program does not know")),
        };
        Ok(trouble)
    }
}

fn code(d: &mut Decoder<'_>) -> Result<ErrorCode, Error> {
    ErrorCode::from_number(d.u8()?).ok_or_else(|| Error::message("an error that this program does not know"))
}

/// How long a car that is throttled by its login wants to be left alone.
const TEST_THROTTLE: Duration = Duration::from_secs(60);

/// What a login at the simulator's brand page asks for. Any other login has one car without trouble.
#[derive(Clone, Debug, PartialEq)]
pub enum TestLogin {
    /// `12-vehicles@…`: an account with so many cars.
    Vehicles(u16),
    /// `VEHICLE_STATE.ASLEEP@…`, or the older `…@vs-000.vehicle-state-error.com`: a car whose reads fail.
    Fails(ErrorCode),
    /// `VEHICLE_STATE.TIRED@smartcar.com`: written as an error, and none of the catalogue.
    NoSuchError,
    /// `<VIN>@bev.…`: a car with this number and what it can do.
    Level {
        /// Upper case.
        vin: String,
        /// The level.
        level: Level,
    },
}

impl TestLogin {
    /// What a login asks for. The host behind the `@` is of no importance, but for the level that it may begin with, for the
    /// older form of errors, and where an error is misspelt.
    pub fn parse(login: &str) -> Option<Self> {
        let (name, host) = login.trim().split_once('@')?;
        if host.eq_ignore_ascii_case(VEHICLE_STATE_HOST) {
            return Some(Self::Fails(ErrorCode::VEHICLE_STATE_UNKNOWN));
        }
        if let Some(count) = name.strip_suffix("-vehicles") {
            return count.parse().ok().filter(|count| (1..=999).contains(count)).map(Self::Vehicles);
        }
        if let Some((kind, code)) = name.split_once('.') {
            let found = ErrorCode::find(&kind.to_uppercase(), Some(&code.to_uppercase()));
            let is_meant =
                host.eq_ignore_ascii_case(TEST_HOST) && [kind, code].into_iter().all(is_a_constant);
            return found.map(Self::Fails).or(is_meant.then_some(Self::NoSuchError));
        }
        let level = Level::from_word(&host.split('.').next()?.to_ascii_lowercase())?;
        let is_vin = name.len() == 17 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_vin.then(|| Self::Level { vin: name.to_uppercase(), level })
    }
}

/// Where a name in the form of an error can only be meant as one.
const TEST_HOST: &str = "smartcar.com";
/// The error of the first version that a host stands for: `VS_000`.
const VEHICLE_STATE_HOST: &str = "vs-000.vehicle-state-error.com";

/// Whether a word is written like `VEHICLE_STATE`.
fn is_a_constant(word: &str) -> bool {
    let constant = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    !word.is_empty() && word.bytes().all(constant)
}

/// The trouble of a car whose owner logs in like this: `VEHICLE_STATE.ASLEEP@example.com`, at any host.
pub fn trouble_for_login(login: &str) -> Option<Trouble> {
    match TestLogin::parse(login)? {
        TestLogin::Fails(code) => Some(trouble_of(code)),
        TestLogin::Vehicles(_) | TestLogin::Level { .. } | TestLogin::NoSuchError => None,
    }
}

/// The trouble of a test car with a vehicle number that stands for an error.
pub fn trouble_for_vin(vin: &str) -> Option<Trouble> {
    let found = ERROR_VINS.iter().find(|(_, known)| known.eq_ignore_ascii_case(vin));
    found.map(|&(code, _)| trouble_of(code))
}

/// The vehicle number that stands for an error.
pub fn vin_for_error(code: ErrorCode) -> Option<&'static str> {
    ERROR_VINS.iter().find(|&&(known, _)| known == code).map(|&(_, vin)| vin)
}

fn trouble_of(code: ErrorCode) -> Trouble {
    match code {
        ErrorCode::RATE_LIMIT_VEHICLE => Trouble::Throttled { retry_after: TEST_THROTTLE },
        code => Trouble::Fail(code),
    }
}

const ERROR_VINS: [(ErrorCode, &str); 25] = [
    (ErrorCode::COMPATIBILITY_MAKE_NOT_COMPATIBLE, "0SCLR000270BE6600"),
    (ErrorCode::COMPATIBILITY_SMARTCAR_NOT_CAPABLE, "0SCLR0002DC18F57F"),
    (ErrorCode::COMPATIBILITY_VEHICLE_NOT_CAPABLE, "0SCLR00024C7CDF7A"),
    (ErrorCode::CONNECTED_SERVICES_ACCOUNT_ACCOUNT_ISSUE, "0SCLR00026BAAA136"),
    (ErrorCode::CONNECTED_SERVICES_ACCOUNT_AUTHENTICATION_FAILED, "0SCLR00021D803C7B"),
    (ErrorCode::CONNECTED_SERVICES_ACCOUNT_NO_VEHICLES, "0SCLR00027671837B"),
    (ErrorCode::CONNECTED_SERVICES_ACCOUNT_SUBSCRIPTION, "0SCLR0002B9BAF29F"),
    (ErrorCode::CONNECTED_SERVICES_ACCOUNT_VEHICLE_MISSING, "0SCLR00024E29EEBD"),
    (ErrorCode::UPSTREAM_INVALID_DATA, "0SCLR000298A0A649"),
    (ErrorCode::UPSTREAM_KNOWN_ISSUE, "0SCLR0002A8760B72"),
    (ErrorCode::UPSTREAM_NO_RESPONSE, "0SCLR0002C23E43AB"),
    (ErrorCode::UPSTREAM_UNKNOWN_ISSUE, "0SCLR0002D4878901"),
    (ErrorCode::VEHICLE_STATE_ASLEEP, "0SCLR0002E8896323"),
    (ErrorCode::VEHICLE_STATE_CHARGING_IN_PROGRESS, "0SCLR000221F1E672"),
    (ErrorCode::VEHICLE_STATE_CHARGING_PLUG_NOT_CONNECTED, "0SCLR0002CBFC7C21"),
    (ErrorCode::VEHICLE_STATE_DOOR_OPEN, "0SCLR0002F8BD90B8"),
    (ErrorCode::VEHICLE_STATE_FULLY_CHARGED, "0SCLR00029CD9D894"),
    (ErrorCode::VEHICLE_STATE_HOOD_OPEN, "0SCLR000219CD4A2C"),
    (ErrorCode::VEHICLE_STATE_IGNITION_ON, "0SCLR00021D49E58A"),
    (ErrorCode::VEHICLE_STATE_IN_MOTION, "0SCLR00024F6EE640"),
    (ErrorCode::VEHICLE_STATE_REMOTE_ACCESS_DISABLED, "0SCLR0002588A5CC1"),
    (ErrorCode::VEHICLE_STATE_TRUNK_OPEN, "0SCLR00023C607FDB"),
    (ErrorCode::VEHICLE_STATE_UNKNOWN, "0SCLR0002E6CC0314"),
    (ErrorCode::VEHICLE_STATE_UNREACHABLE, "0SCLR000247EBF067"),
    (ErrorCode::VEHICLE_STATE_VEHICLE_OFFLINE_FOR_SERVICE, "0SCLR0002AF1D71A1"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_names_an_error_has_a_car_that_fails_with_it() {
        assert_eq!(trouble_for_login("VEHICLE_STATE.ASLEEP@smartcar.com"), Some(Trouble::ASLEEP));
        assert_eq!(trouble_for_login("vehicle_state.asleep@example.com"), Some(Trouble::ASLEEP));
        assert_eq!(
            trouble_for_login("CONNECTED_SERVICES_ACCOUNT.VEHICLE_MISSING@example.com"),
            Some(Trouble::MISSING)
        );
        assert_eq!(
            trouble_for_login("RATE_LIMIT.VEHICLE@example.com"),
            Some(Trouble::Throttled { retry_after: Duration::from_secs(60) })
        );
        for ordinary in ["jo@example.com", "jo.doe@example.com", "VEHICLE_STATE.TIRED@example.com", "nobody"]
        {
            assert_eq!(trouble_for_login(ordinary), None);
        }
    }

    #[test]
    fn the_older_login_for_an_error_of_the_vehicle_has_a_host_of_its_own() {
        let unknown = Some(Trouble::Fail(ErrorCode::VEHICLE_STATE_UNKNOWN));
        assert_eq!(trouble_for_login("smartcar@vs-000.vehicle-state-error.com"), unknown);
        assert_eq!(trouble_for_login("smartcar@vehicle-state-error.com"), None);
    }

    #[test]
    fn a_login_in_the_form_of_an_error_that_there_is_not_asks_for_no_car() {
        for wrong in ["VEHICLE_STATE.TIRED@smartcar.com", "TEAPOT.ASLEEP@Smartcar.com"] {
            assert_eq!(TestLogin::parse(wrong), Some(TestLogin::NoSuchError), "{wrong}");
        }
        for ordinary in ["jo.doe@smartcar.com", "Jo.Doe@smartcar.com", "VEHICLE_STATE.TIRED@example.com"] {
            assert_eq!(TestLogin::parse(ordinary), None, "{ordinary}");
        }
    }

    #[test]
    fn a_login_may_ask_for_many_cars_or_for_one_that_can_do_certain_things() {
        assert_eq!(TestLogin::parse("12-vehicles@example.com"), Some(TestLogin::Vehicles(12)));
        assert_eq!(TestLogin::parse("0-vehicles@example.com"), None);
        assert_eq!(TestLogin::parse("1000-vehicles@example.com"), None);
        let level = TestLogin::Level { vin: "0SCGMCT0386A85356".into(), level: Level::Phev };
        assert_eq!(TestLogin::parse("0scgmct0386a85356@phev.smartcar.com"), Some(level));
        assert_eq!(TestLogin::parse("0SCGMCT0386A85356@example.com"), None);
        assert_eq!(TestLogin::parse("jo@bev.example.com"), None);
    }

    #[test]
    fn every_error_vin_leads_to_its_error_and_back() {
        for (code, vin) in ERROR_VINS {
            assert_eq!(trouble_for_vin(vin), Some(Trouble::Fail(code)));
            assert_eq!(vin_for_error(code), Some(vin));
            let login = format!("{}@example.com", code.to_string().replace(':', "."));
            assert_eq!(trouble_for_login(&login), Some(Trouble::Fail(code)));
        }
        assert_eq!(trouble_for_vin("1M8GDM9AXKP042788"), None);
        assert_eq!(vin_for_error(ErrorCode::PERMISSION), None);
    }
}
