//! How far an owner is in Connect, sealed into the links and forms of its pages.
//!
//! Nothing is kept of a visit on this side: a flood of visits costs no storage, and a restart loses none. The sealed text
//! opens only under the application's data key, only in the browser whose cookie it names, and only for an hour. It is
//! also what makes a form ours: nobody else can have one that opens.

use std::{sync::Arc, time::Duration};

use domain::{
    connect::{
        AuthorizeRequest, ConnectError, authorize,
        authorize::{Door, Terms},
        country::{Country, USUAL_COUNTRY},
    },
    errors::ErrorCode,
    ids::{ApplicationId, UserId, VehicleId},
    time::Timestamp,
};
use minicbor::{Decode, Encode, bytes::ByteArray};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::{App, AppError, ApplicationEntry, What, ports::Factor, usecases::token_hash};

/// How long a visit may take.
pub(super) const LIFE: Duration = Duration::from_secs(3_600);
/// Digits of the cookie that binds a visit to its browser.
const COOKIE: usize = 64;

/// A visit that was opened, with all that its pages show.
pub struct Visit {
    /// What the application asks for.
    pub request: AuthorizeRequest,
    /// The application.
    pub application: Arc<ApplicationEntry>,
    pub(super) so_far: SoFar,
}

/// What is sealed.
#[derive(Clone, Debug, Encode, Decode)]
pub(super) struct SoFar {
    /// The request is judged anew whenever the visit is opened: a redirect URI that has been taken back is noticed.
    #[n(0)]
    pub(super) door: u8,
    #[n(1)]
    pub(super) query: String,
    /// Hash of the browser's cookie.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(super) browser: [u8; 32],
    #[n(3)]
    pub(super) expires_at: i64,
    #[n(4)]
    pub(super) language: String,
    #[n(5)]
    pub(super) country: String,
    #[n(6)]
    pub(super) make: Option<String>,
    #[n(7)]
    pub(super) username: Option<String>,
    #[n(8)]
    pub(super) account: Option<Account>,
    /// Capacities that the owner has chosen, in Wh, by the vehicle's number.
    #[n(9)]
    pub(super) capacities: Vec<(String, u32)>,
    /// What the next page has to say first.
    #[n(10)]
    pub(super) note: u8,
    #[n(11)]
    pub(super) trouble: Option<Trouble>,
    /// What the application is told, on the last page.
    #[n(12)]
    pub(super) told: Option<Vec<(String, String)>>,
    /// The owner does not know the other batteries.
    #[n(13)]
    pub(super) capacities_asked: bool,
    /// Make and model of the car to which access has just been ended.
    #[n(14)]
    pub(super) ended: Option<(String, String)>,
    /// What was given, while the owner is told that a car wants a key first.
    #[n(15)]
    pub(super) given: Option<Given>,
}

/// What the owner has given, of which the application is not told yet.
#[derive(Clone, Debug, Encode, Decode)]
pub(super) struct Given {
    #[cbor(n(0), with = "minicbor::bytes")]
    user: ByteArray<16>,
    #[n(1)]
    vehicles: Vec<ByteArray<16>>,
}

impl Given {
    pub(super) fn new(user: UserId, vehicles: &[VehicleId]) -> Self {
        let vehicles = vehicles.iter().map(|vehicle| vehicle.0.into_bytes().into()).collect();
        Self { user: user.0.into_bytes().into(), vehicles }
    }

    pub(super) fn user(&self) -> UserId {
        UserId(Uuid::from_bytes(*self.user))
    }

    pub(super) fn vehicles(&self) -> Vec<VehicleId> {
        self.vehicles.iter().map(|vehicle| VehicleId(Uuid::from_bytes(**vehicle))).collect()
    }
}

/// The account at a brand, once its owner has signed in.
#[derive(Clone, Debug, Encode, Decode)]
pub(super) struct Account {
    /// What the brand's side reads; empty for the owner of a car of the simulator.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(super) ticket: Vec<u8>,
    /// That car.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(super) car: Option<ByteArray<16>>,
    /// Digits of what is still asked for beside the password; 0 for nothing.
    #[n(2)]
    pub(super) digits: u8,
    /// Whether the owner has chosen it, rather than got it from the brand.
    #[n(3)]
    pub(super) pin: bool,
    /// When its owner signed in, in microseconds.
    #[n(4)]
    pub(super) signed_in_at: Option<i64>,
}

impl Account {
    /// The car of the simulator that it is about, if an operator has made that.
    pub(super) fn car(&self) -> Option<Uuid> {
        self.car.map(|bytes| Uuid::from_bytes(*bytes))
    }

    pub(super) fn factor(&self) -> Option<Factor> {
        match (self.digits, self.pin) {
            (0, _) => None,
            (digits, false) => Some(Factor::Code(digits)),
            (digits, true) => Some(Factor::Pin(digits)),
        }
    }
}

/// Why an owner cannot go on, and how the visit ends once the page about it is left.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) struct Trouble {
    #[n(0)]
    pub(super) kind: u8,
    /// For the people who write the application.
    #[n(1)]
    pub(super) message: String,
    /// `vin`, `make`, `model`, `year` of a car that is not compatible.
    #[n(2)]
    pub(super) car: Vec<(String, String)>,
}

impl Trouble {
    pub(super) fn of(kind: TroubleKind, message: &str) -> Self {
        Self { kind: kind as u8, message: message.to_owned(), car: vec![] }
    }
}

/// Why an owner cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TroubleKind {
    /// No car of the account can give what is required.
    Incompatible = 0,
    /// The connected services are not active.
    Subscription = 1,
    /// The account is empty.
    NoVehicles = 2,
    /// The application has sent the owner here wrongly.
    Configuration = 3,
    /// The application has as many vehicles as its plan allows.
    PlanLimit = 4,
    /// Something failed inside.
    Internal = 5,
    /// There are no brands for this kind of car.
    NoBrands = 6,
    /// The application or the link is not what it was.
    Skipped = 7,
}

impl TroubleKind {
    const ALL: [Self; 8] = [
        Self::Incompatible,
        Self::Subscription,
        Self::NoVehicles,
        Self::Configuration,
        Self::PlanLimit,
        Self::Internal,
        Self::NoBrands,
        Self::Skipped,
    ];

    fn from_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Internal)
    }

    /// What the application is told when the page is left.
    pub(super) const fn error(self) -> ConnectError {
        match self {
            Self::Incompatible => ConnectError::VehicleIncompatible,
            Self::Subscription => ConnectError::InvalidSubscription,
            Self::NoVehicles => ConnectError::NoVehicles,
            Self::Configuration | Self::PlanLimit | Self::NoBrands | Self::Skipped => {
                ConnectError::ConfigurationError
            }
            Self::Internal => ConnectError::ServerError,
        }
    }

    /// The status that goes with a configuration error.
    pub(super) const fn status(self) -> Option<u16> {
        match self {
            Self::PlanLimit => Some(430),
            Self::NoBrands => Some(501),
            Self::Configuration | Self::Skipped => Some(400),
            Self::Incompatible | Self::Subscription | Self::NoVehicles | Self::Internal => None,
        }
    }
}

/// What a page has to say first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Note {
    /// Nothing.
    #[default]
    None = 0,
    /// The brand does not know the name with the password.
    WrongLogin = 1,
    /// The code or the PIN is wrong.
    WrongFactor = 2,
    /// No vehicle was chosen.
    NoVehicle = 3,
    /// More than one vehicle was chosen.
    OneOnly = 4,
    /// No permission is left.
    NoPermission = 5,
    /// The account is another one than the vehicle's.
    AnotherAccount = 6,
    /// No capacity was chosen.
    NoCapacity = 7,
    /// The application has no access to the car that was named.
    NoAccess = 8,
}

impl Note {
    const ALL: [Self; 9] = [
        Self::None,
        Self::WrongLogin,
        Self::WrongFactor,
        Self::NoVehicle,
        Self::OneOnly,
        Self::NoPermission,
        Self::AnotherAccount,
        Self::NoCapacity,
        Self::NoAccess,
    ];
}

/// Why a visit is not opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VisitRefused {
    /// The text is none of ours, or its application is gone or has changed.
    #[error("the link is not valid")]
    Unknown,
    /// The visit was begun in another browser, or this one keeps no cookies.
    #[error("the visit was begun in another browser")]
    AnotherBrowser,
    /// Its hour is over.
    #[error("the visit has ended")]
    Over,
    /// Not now.
    #[error(transparent)]
    App(#[from] AppError),
}

impl SoFar {
    /// The country and the language that were chosen on the preamble; a country that there is not changes nothing.
    pub(super) fn choose(&mut self, country: Option<&str>, language: &str) {
        if let Some(country) = country.and_then(Country::find) {
            self.country = country.code.to_owned();
        }
        self.language = language.to_owned();
    }

    pub(super) fn begin(door: Door, query: &str, cookie: &str, language: &str, until: Timestamp) -> Self {
        Self {
            door: door as u8,
            query: query.to_owned(),
            browser: token_hash(cookie),
            expires_at: until.as_micros(),
            language: language.to_owned(),
            country: USUAL_COUNTRY.code.to_owned(),
            make: None,
            username: None,
            account: None,
            capacities: vec![],
            note: 0,
            trouble: None,
            told: None,
            capacities_asked: false,
            ended: None,
            given: None,
        }
    }
}

impl Visit {
    /// The language that the owner has chosen, by its code.
    pub fn language(&self) -> &str {
        &self.so_far.language
    }

    /// The country that the owner has chosen, or the application, or nobody.
    pub fn country(&self) -> Country {
        Country::find(&self.so_far.country).unwrap_or(USUAL_COUNTRY)
    }

    /// The brand, once it is known; upper case.
    pub fn make(&self) -> Option<&str> {
        self.so_far.make.as_deref()
    }

    /// The name that the owner has typed before.
    pub fn username(&self) -> &str {
        self.so_far.username.as_deref().unwrap_or_default()
    }

    /// What the brand still asks for.
    pub fn factor(&self) -> Option<Factor> {
        self.so_far.account.as_ref()?.factor()
    }

    /// What the page has to say first.
    pub fn note(&self) -> Note {
        Note::ALL.get(usize::from(self.so_far.note)).copied().unwrap_or_default()
    }

    /// Why the owner cannot go on, in kind and in the words for the application.
    pub fn trouble(&self) -> Option<(TroubleKind, &str)> {
        let trouble = self.so_far.trouble.as_ref()?;
        Some((TroubleKind::from_number(trouble.kind), &trouble.message))
    }

    /// What the application would learn of a car that is not compatible.
    pub fn incompatible_car(&self) -> &[(String, String)] {
        self.so_far.trouble.as_ref().map_or(&[], |trouble| &trouble.car)
    }

    /// Make and model of the car to which the owner has just ended the access.
    pub fn ended_access(&self) -> Option<(&str, &str)> {
        self.so_far.ended.as_ref().map(|(make, model)| (make.as_str(), model.as_str()))
    }

    /// Where the owner adds the virtual key that one of the cars wants, on the page about it.
    pub fn virtual_key_url(&self) -> Option<String> {
        let vehicle = *self.so_far.given.as_ref()?.vehicles().first()?;
        virtual_key(self, vehicle)
    }

    /// What the application is told, on the last page.
    pub fn told(&self) -> Option<&[(String, String)]> {
        self.so_far.told.as_deref()
    }
}

/// Where an owner adds the virtual key for this server to a vehicle.
pub(super) fn virtual_key(visit: &Visit, vehicle: VehicleId) -> Option<String> {
    let error = ErrorCode::CONNECTED_SERVICES_ACCOUNT_VIRTUAL_KEY_REQUIRED;
    visit.application.links.resolution_url(error, vehicle)
}

/// The cookie of a browser that has one of ours.
pub(super) fn known_cookie(cookie: Option<&str>) -> Option<&str> {
    cookie.filter(|cookie| {
        cookie.len() == COOKIE
            && cookie.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
    })
}

impl App {
    /// Seals how far a visit is.
    pub(super) async fn sealed_visit(&self, of: ApplicationId, so_far: &SoFar) -> Result<String, AppError> {
        let plain = minicbor::to_vec(so_far).map_err(|error| AppError::Internal(error.to_string()))?;
        let sealed = self.sealer.key(of.0).await?.seal(&*self.dice, What::Visit, of.0, &plain);
        Ok(hex::encode([of.0.as_bytes().as_slice(), &sealed].concat()))
    }

    /// What the requests of an application are held against.
    pub(super) fn terms<'a>(&self, application: &'a ApplicationEntry) -> Terms<'a> {
        let application = &application.application;
        Terms {
            registered: &application.redirect_uris,
            usual: application.connect,
            simulated: self.settings.connect.simulated,
        }
    }

    /// Opens a visit for the browser that it was begun in.
    ///
    /// # Errors
    ///
    /// [`VisitRefused`], which says to the owner what to do.
    pub async fn open_visit(&self, sealed: &str, cookie: Option<&str>) -> Result<Visit, VisitRefused> {
        let bytes = hex::decode(sealed).map_err(|_| VisitRefused::Unknown)?;
        let (of, sealed) = bytes.split_first_chunk::<16>().ok_or(VisitRefused::Unknown)?;
        let of = ApplicationId(Uuid::from_bytes(*of));
        let application = self.registry.application_by_id(of).ok_or(VisitRefused::Unknown)?;
        let key = self.sealer.key(of.0).await.map_err(AppError::from)?;
        let plain = key.open(What::Visit, of.0, sealed).map_err(|_| VisitRefused::Unknown)?;
        let so_far: SoFar = minicbor::decode(&plain).map_err(|_| VisitRefused::Unknown)?;
        let cookie = known_cookie(cookie).ok_or(VisitRefused::AnotherBrowser)?;
        if !bool::from(token_hash(cookie).ct_eq(&so_far.browser)) {
            return Err(VisitRefused::AnotherBrowser);
        }
        if Timestamp::from_micros(so_far.expires_at) <= self.now() {
            return Err(VisitRefused::Over);
        }
        let door = Door::from_number(so_far.door).ok_or(VisitRefused::Unknown)?;
        let request =
            authorize(door, &so_far.query, &self.terms(&application)).map_err(|_| VisitRefused::Unknown)?;
        Ok(Visit { request, application, so_far })
    }
}
