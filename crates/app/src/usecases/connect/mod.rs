//! Connect: the visit in which an owner gives an application access to vehicles.
//!
//! ```text
//!   begin ─► preamble ─► brands ─► sign in ─► second factor ─► capacity ─► grant ─► code, redirect
//!                └──────────┴─────────┴────────────┴─────────────┴──► trouble ─► error, redirect
//! ```
//!
//! Behind the grant a page speaks of the virtual key, if one of the cars wants one before it answers anybody.
//!
//! The owner's own page begins in the same way and branches off behind the second factor ([`access`]): nothing is granted
//! there and the application is told nothing.
//!
//! Each motion takes a [`Visit`] that was opened and answers with a [`Motion`]: the next screen with the visit sealed
//! anew, or the way back to the application. What may be offered and granted is decided in `domain::connect`.

mod access;
mod linking;
mod visit;

use std::{sync::Arc, time::Duration};

use domain::{
    connect::{
        AuthorizeRequest, ConnectError, Outcome, Permission, PermissionSet, authorize,
        authorize::{Answer, Destination, Door, ExternalId, Mode, PageProblem, Refused, claimed_application},
        consent::{self, ChoiceRefused, Earlier},
        country::Country,
        outcome::{End, Told, end, end_refused},
    },
    ids::{UserId, VehicleId},
    time::Timestamp,
    vehicle::Region,
};
use store::{Owner, VehicleRow};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    App, AppError, Find, What,
    ports::{AccountCar, AccountRefused, BrandAccount, CarCommand, Factor, SignIn},
    usecases::{connect::linking::Consent, token, tokens::NewCode},
};

pub use access::Access;
use visit::{Account, Given, SoFar, Trouble, virtual_key};
pub use visit::{Note, TroubleKind, Visit, VisitRefused};

/// The page that is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// Who asks, and where the owner is.
    Preamble,
    /// The list of brands.
    Brands,
    /// The brand's login.
    SignIn,
    /// What the brand asks for beside a password.
    Factor,
    /// Which battery the car has.
    Capacity,
    /// What is granted.
    Grant,
    /// The key that a car wants first.
    VirtualKey,
    /// What the application has access to.
    Access,
    /// Why it does not go on.
    Trouble,
    /// What came of it, where the application gave no address.
    Done,
}

/// Where a step leads.
#[derive(Debug)]
pub enum Motion {
    /// To a page, with the visit as it is then.
    To(Screen, String),
    /// Back to the application.
    Away(String),
}

/// A visit that has begun.
pub struct Begun {
    /// What the first page shows.
    pub visit: Visit,
    /// The visit, sealed.
    pub sealed: String,
    /// The cookie that the browser has to keep.
    pub cookie: String,
}

/// What the page says that ends a visit without a redirect.
pub struct Ended {
    /// Who is told, by name.
    pub application: String,
    /// What the application is told.
    pub told: Vec<(String, String)>,
    /// The origin of the window that is told, if there is one.
    pub opener: Option<String>,
}

/// Why a visit does not begin.
pub enum NotBegun {
    /// It stays on a page of ours.
    OnPage(PageProblem),
    /// The application is told by a redirect.
    Away(String),
    /// The application is told by a page.
    Ended(Ended),
    /// Not now.
    App(AppError),
}

/// A battery that the brand of a vehicle does not settle, in kWh.
pub struct CapacityChoice {
    /// Those that the model may have.
    pub available: Vec<f64>,
    /// The one that the owner has chosen.
    pub chosen: Option<f64>,
    /// Where the owner can choose, for 30 days.
    pub link: String,
}

/// A car on the grant screen, with what can be given of it.
pub struct Offer {
    /// The car.
    pub car: AccountCar,
    /// What is granted of it unless the owner takes something out.
    pub permissions: PermissionSet,
}

/// How the owner of a car of the simulator signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedLogin {
    /// Names the car.
    pub username: String,
    /// Proves nothing but that somebody has looked at the car.
    pub password: String,
}

/// What stands behind the `@` in the login of a simulated car's owner.
const SIMULATOR_HOST: &str = "@simulator.milepost";

impl App {
    /// Judges what an application sends an owner with, and begins a visit. The languages are those that the browser says
    /// it prefers; where nobody has said where the owner is, they do.
    pub async fn begin_visit(
        &self,
        door: Door,
        query: &str,
        cookie: Option<&str>,
        language: &str,
        accept_language: &str,
    ) -> Result<Begun, NotBegun> {
        let id = claimed_application(query).map_err(NotBegun::OnPage)?;
        let application = self.registry.application_by_id(id).ok_or(NotBegun::OnPage(PageProblem::Client))?;
        let request = authorize(door, query, &self.terms(&application))
            .map_err(|refused| self.not_begun(&application.application.name, refused))?;
        let cookie = match visit::known_cookie(cookie) {
            Some(cookie) => cookie.to_owned(),
            None => token(&*self.dice, ""),
        };
        let mut so_far =
            SoFar::begin(door, query, &cookie, language, self.now() + visit::LIFE * self.settings.pace);
        let country = request.country.or_else(|| Country::of_languages(accept_language));
        so_far.country = country.map_or(so_far.country, |country| country.code.to_owned());
        let visit = Visit { request, application, so_far };
        let sealed = self.sealed_visit(id, &visit.so_far).await.map_err(NotBegun::App)?;
        Ok(Begun { visit, sealed, cookie })
    }

    fn not_begun(&self, application: &str, refused: Refused) -> NotBegun {
        let returned = match refused {
            Refused::OnPage(problem) => return NotBegun::OnPage(problem),
            Refused::Return(returned) => returned,
        };
        let opener = opener(&returned.to);
        match end_refused(returned, &self.settings.origin) {
            End::Redirect(uri) => NotBegun::Away(uri),
            End::Page(told) => {
                NotBegun::Ended(Ended { application: application.to_owned(), told: owned(told), opener })
            }
        }
    }

    /// From the preamble on, with the country and the language that were chosen.
    pub async fn continue_visit(
        &self,
        mut visit: Visit,
        country: Option<&str>,
        language: &str,
    ) -> Result<Motion, AppError> {
        visit.so_far.choose(country, language);
        (visit.so_far.make, visit.so_far.account) = (None, None);
        match visit.request.door {
            Door::Authorize | Door::Access => self.to_brand(visit).await,
            Door::Reauthenticate => self.to_brand_of_vehicle(visit).await,
            Door::Capacity => self.to_capacity(visit).await,
        }
    }

    /// Stays on the preamble, in another language.
    pub async fn change_language(
        &self,
        mut visit: Visit,
        country: Option<&str>,
        language: &str,
    ) -> Result<Motion, AppError> {
        visit.so_far.choose(country, language);
        self.go(visit, Screen::Preamble).await
    }

    /// To the brand that the request names, or to the list.
    async fn to_brand(&self, visit: Visit) -> Result<Motion, AppError> {
        let AuthorizeRequest { mode, ref vin, ref make, .. } = visit.request;
        if let (Mode::Live, Some(_)) = (mode, vin.as_deref().filter(|vin| is_of_the_simulator(vin))) {
            return self
                .trouble(visit, TroubleKind::Configuration, "a test vehicle cannot be connected in live mode")
                .await;
        }
        let wanted = match (vin, make) {
            (Some(vin), _) if !is_vin(vin) => {
                let message = "single_select_vin is the number of a vehicle, of 17 letters and digits";
                return self.trouble(visit, TroubleKind::Configuration, message).await;
            }
            (Some(vin), _) => Some(self.accounts.make_of(vin).unwrap_or_else(|| "?".into())),
            (None, make) => make.clone(),
        };
        match wanted {
            None => self.go(visit, Screen::Brands).await,
            Some(make) => self.choose_brand(visit, &make).await,
        }
    }

    /// The brands that an owner can choose.
    pub fn brands(&self, visit: &Visit) -> Vec<String> {
        self.accounts.brands(visit.request.mode, visit.country().region)
    }

    /// To the login of a brand.
    pub async fn choose_brand(&self, mut visit: Visit, make: &str) -> Result<Motion, AppError> {
        let brands = self.brands(&visit);
        if brands.is_empty() {
            let message = format!("this server connects no cars in {} mode", visit.request.mode.as_str());
            return self.trouble(visit, TroubleKind::NoBrands, &message).await;
        }
        let same = |brand: &&String| brand.replace('-', " ") == make.replace(['-', '_'], " ");
        match brands.iter().find(same) {
            Some(brand) => {
                visit.so_far.make = Some(brand.clone());
                visit.so_far.account = None;
                self.go(visit, Screen::SignIn).await
            }
            None => {
                let known = match &visit.request.vin {
                    Some(vin) => vec![("vin", vin.clone()), ("make", make.to_owned())],
                    None => vec![("make", make.to_owned())],
                };
                self.incompatible(visit, known.into_iter().filter(|(_, value)| value != "?")).await
            }
        }
    }

    /// Signs the owner in at the brand that was chosen.
    pub async fn sign_in(
        &self,
        mut visit: Visit,
        username: &str,
        password: Zeroizing<String>,
    ) -> Result<Motion, AppError> {
        let Some(make) = visit.so_far.make.clone() else { return self.skipped(visit).await };
        let username = username.trim();
        visit.so_far.username = Some(username.chars().take(MOST_USERNAME).collect());
        visit.so_far.account = None;
        if password.is_empty() || username.is_empty() || username.len() > MOST_USERNAME {
            return self.again(visit, Screen::SignIn, Note::WrongLogin).await;
        }
        let account = match self.owner_of_car(&make, visit.request.mode, username, &password).await? {
            Some(account) => Ok(account),
            None => {
                let attempt = SignIn {
                    make,
                    username: username.to_owned(),
                    password,
                    mode: visit.request.mode,
                    region: visit.country().region,
                    vin: visit.request.vin.clone(),
                };
                self.accounts.sign_in(&attempt).await.map(|signed_in| Account {
                    ticket: signed_in.ticket,
                    car: None,
                    signed_in_at: Some(self.now().as_micros()),
                    digits: match signed_in.factor {
                        None => 0,
                        Some(Factor::Code(digits) | Factor::Pin(digits)) => digits,
                    },
                    pin: matches!(signed_in.factor, Some(Factor::Pin(_))),
                })
            }
        };
        match account {
            Ok(account) => {
                visit.so_far.account = Some(account);
                self.signed_in(visit).await
            }
            Err(refused) => self.refused_by_brand(visit, refused).await,
        }
    }

    /// Takes what the brand asks for beside the password.
    pub async fn confirm(&self, mut visit: Visit, typed: &str) -> Result<Motion, AppError> {
        let Some(account) = &mut visit.so_far.account else { return self.skipped(visit).await };
        match self.accounts.confirm(&account.ticket, typed.trim()).await {
            Ok(true) => {
                account.digits = 0;
                self.signed_in(visit).await
            }
            Ok(false) => self.again(visit, Screen::Factor, Note::WrongFactor).await,
            Err(refused) => self.refused_by_brand(visit, refused).await,
        }
    }

    /// The next screen of an owner who is signed in.
    async fn signed_in(&self, visit: Visit) -> Result<Motion, AppError> {
        if visit.factor().is_some() {
            return self.go(visit, Screen::Factor).await;
        }
        let account = match self.account(&visit).await? {
            Ok(account) => account,
            Err(refused) => return self.refused_by_brand(visit, refused).await,
        };
        match visit.request.door {
            Door::Reauthenticate => return self.reauthenticate(visit, account).await,
            Door::Access => return self.go(visit, Screen::Access).await,
            Door::Authorize | Door::Capacity => {}
        }
        let offers = offers(&visit.request, &account);
        if offers.is_empty() {
            return self.nothing_to_offer(visit, account).await;
        }
        if ambiguous(&visit, &offers).next().is_some() {
            return self.go(visit, Screen::Capacity).await;
        }
        match self.repeated(&visit, &account, &offers).await? {
            Some((user, vehicles, wants_key)) => self.given(visit, user, vehicles, wants_key).await,
            None => self.go(visit, Screen::Grant).await,
        }
    }

    async fn nothing_to_offer(&self, visit: Visit, account: BrandAccount) -> Result<Motion, AppError> {
        let wanted = visit.request.vin.as_deref();
        match account.cars.into_iter().find(|car| wanted.is_none_or(|vin| vin == car.vin)) {
            None => self.trouble(visit, TroubleKind::NoVehicles, "").await,
            Some(car) => {
                let year = car.year.to_string();
                let known = [("vin", car.vin), ("make", car.make), ("model", car.model), ("year", year)];
                self.incompatible(visit, known).await
            }
        }
    }

    /// The cars that may have one of several batteries, with those.
    pub async fn ambiguous_cars(&self, visit: &Visit) -> Result<Vec<AccountCar>, AppError> {
        if visit.request.door == Door::Capacity {
            return Ok(self.car_of_link(visit).await?.into_iter().map(|(_, car)| car).collect());
        }
        let offers = self.offers(visit).await?;
        Ok(ambiguous(visit, &offers).map(|offer| offer.car.clone()).collect())
    }

    /// Takes the battery that the owner has chosen for a car.
    pub async fn choose_capacity(
        &self,
        mut visit: Visit,
        vin: &str,
        capacity_wh: Option<u32>,
    ) -> Result<Motion, AppError> {
        let cars = self.ambiguous_cars(&visit).await?;
        let Some(car) = cars.iter().find(|car| car.vin == vin) else { return self.skipped(visit).await };
        let Some(chosen) = capacity_wh.filter(|wh| car.capacities_wh.contains(wh)) else {
            return self.again(visit, Screen::Capacity, Note::NoCapacity).await;
        };
        if visit.request.door == Door::Capacity {
            return self.keep_capacity(visit, chosen).await;
        }
        visit.so_far.capacities.push((vin.to_owned(), chosen));
        self.signed_in(visit).await
    }

    /// The owner does not know, or does not say.
    pub async fn skip_capacity(&self, mut visit: Visit) -> Result<Motion, AppError> {
        if visit.request.door == Door::Capacity {
            return self.finish(visit, Outcome::failed(ConnectError::BatteryCapacityNoSelection)).await;
        }
        visit.so_far.capacities_asked = true;
        self.signed_in(visit).await
    }

    /// The cars of the grant screen, in their order.
    pub async fn offers(&self, visit: &Visit) -> Result<Vec<Offer>, AppError> {
        let account = match visit.factor() {
            None => self.account(visit).await?.ok(),
            Some(_) => None,
        };
        Ok(account.map_or_else(Vec::new, |account| offers(&visit.request, &account)))
    }

    /// The owner agrees: vehicles by their places on the grant screen, and what is left in of the permissions.
    pub async fn approve(
        self: &Arc<Self>,
        visit: Visit,
        places: &[usize],
        left_in: PermissionSet,
    ) -> Result<Motion, AppError> {
        let account = match self.account(&visit).await? {
            Ok(account) if visit.factor().is_none() && visit.request.door == Door::Authorize => account,
            _ => return self.skipped(visit).await,
        };
        let mut offers = offers(&visit.request, &account);
        let note = |refused| match refused {
            ChoiceRefused::NoVehicle => Note::NoVehicle,
            ChoiceRefused::OneOnly => Note::OneOnly,
            ChoiceRefused::NoPermission => Note::NoPermission,
        };
        let places = match consent::chosen(places, offers.len(), visit.request.single) {
            Ok(places) => places,
            Err(refused) => return self.again(visit, Screen::Grant, note(refused)).await,
        };
        let required = visit.request.required;
        for offer in &mut offers {
            offer.permissions = consent::granted(offer.permissions, required, left_in);
        }
        if places.iter().any(|&place| offers[place].permissions == PermissionSet::default()) {
            return self.again(visit, Screen::Grant, Note::NoPermission).await;
        }
        let mut place = 0..;
        offers.retain(|_| place.next().is_some_and(|place| places.contains(&place)));
        self.grant(visit, &account, offers).await
    }

    /// Links what was granted, and sends the owner back with it.
    async fn grant(
        self: &Arc<Self>,
        visit: Visit,
        account: &BrandAccount,
        offers: Vec<Offer>,
    ) -> Result<Motion, AppError> {
        let consent = Consent {
            application: &visit.application,
            account: identity(account),
            external_id: &visit.request.external_id,
            asked: visit.request.asked,
            capacities: &visit.so_far.capacities,
            car: visit.so_far.account.as_ref().and_then(Account::car),
            signed_in_at: visit.so_far.account.as_ref().and_then(Account::signed_in_at),
        };
        let specs: Vec<_> = offers.iter().map(|offer| offer.car.spec.clone()).collect();
        let wants_key = offers.iter().any(|offer| offer.car.needs_virtual_key);
        match self.link_consent(consent, offers).await {
            Ok(Some((user, vehicles))) => {
                for spec in specs {
                    self.restore(&visit, &spec).await?;
                }
                self.given(visit, user, vehicles, wants_key).await
            }
            Ok(None) => self.sign_in_again(visit).await,
            Err(AppError::Plan(message)) => self.trouble(visit, TroubleKind::PlanLimit, &message).await,
            Err(error) => Err(error),
        }
    }

    /// To the brand's login: who has signed in is believed no more.
    async fn sign_in_again(&self, mut visit: Visit) -> Result<Motion, AppError> {
        visit.so_far.account = None;
        self.go(visit, Screen::SignIn).await
    }

    /// Sends the owner back with what the application has been given; where a car wants a key, by way of the page about it.
    async fn given(
        &self,
        mut visit: Visit,
        user: UserId,
        vehicles: Vec<VehicleId>,
        wants_key: bool,
    ) -> Result<Motion, AppError> {
        let key = vehicles.first().filter(|_| wants_key).and_then(|&vehicle| virtual_key(&visit, vehicle));
        if key.is_some() && vehicles.len() <= MOST_GIVEN {
            visit.so_far.given = Some(Given::new(user, &vehicles));
            return self.go(visit, Screen::VirtualKey).await;
        }
        self.give(visit, user, vehicles, key).await
    }

    /// The owner leaves the page about the key. The code is issued only now: a car and its key may take longer than a code lives.
    /// It is about what is still connected.
    pub async fn leave_key(&self, mut visit: Visit) -> Result<Motion, AppError> {
        let key = visit.virtual_key_url();
        let Some(given) = visit.so_far.given.take() else { return self.skipped(visit).await };
        let mut vehicles = given.vehicles();
        let mut numbers = self.store.vehicle_numbers(vehicles.clone()).await?.into_iter();
        vehicles.retain(|_| numbers.next().flatten().is_some());
        match vehicles.is_empty() {
            true => self.skipped(visit).await,
            false => self.give(visit, given.user(), vehicles, key).await,
        }
    }

    /// Sends the owner back with what the application has been given.
    async fn give(
        &self,
        visit: Visit,
        user: UserId,
        vehicles: Vec<VehicleId>,
        virtual_key_url: Option<String>,
    ) -> Result<Motion, AppError> {
        let code = match visit.request.answer {
            Answer::Nothing | Answer::Vehicle => None,
            Answer::Code => {
                let code = self
                    .issue_code(NewCode {
                        application: visit.application.application.no,
                        user,
                        vehicles,
                        redirect_uri: visit.request.redirect_uri.clone(),
                        challenge: visit.request.challenge.clone(),
                    })
                    .await?;
                Some(code.to_string())
            }
        };
        let external_id = self.external_id_to_return(&visit.request, user).await?;
        self.finish(visit, Outcome::Granted { code, user, external_id, virtual_key_url }).await
    }

    async fn external_id_to_return(
        &self,
        request: &AuthorizeRequest,
        user: UserId,
    ) -> Result<Option<String>, AppError> {
        if request.returns_external_id() { self.external_id(user).await } else { Ok(None) }
    }

    /// The owner and the vehicles of an earlier consent that this one would only repeat, and whether one of them wants a key.
    async fn repeated(
        &self,
        visit: &Visit,
        account: &BrandAccount,
        offers: &[Offer],
    ) -> Result<Option<(UserId, Vec<VehicleId>, bool)>, AppError> {
        let request = &visit.request;
        if request.force {
            return Ok(None);
        }
        let identity = identity(account);
        let vins = offers.iter().map(|offer| offer.car.vin.as_str());
        let Some((owner, vehicles)) = self.earlier(&visit.application, &identity, vins).await? else {
            return Ok(None);
        };
        let earlier = Earlier { asked: owner.asked, connected: vehicles.len() };
        let known = self.external_id(owner.user).await?;
        let repeats = consent::is_repetition(Some(earlier), request.asked, request.single)
            && request.external_id.is_known(known.as_deref());
        if !repeats {
            return Ok(None);
        }
        let keyless = offers.iter().filter(|offer| offer.car.needs_virtual_key);
        let vins = keyless.map(|offer| offer.car.vin.as_str());
        let wants_key = self.earlier(&visit.application, &identity, vins).await?;
        let wants_key = wants_key.is_some_and(|(_, vehicles)| !vehicles.is_empty());
        Ok(Some((owner.user, vehicles, wants_key)))
    }

    /// The owner refuses.
    pub async fn refuse(&self, visit: Visit) -> Result<Motion, AppError> {
        self.finish(visit, Outcome::failed(ConnectError::AccessDenied)).await
    }

    /// The owner leaves the brand's login.
    pub async fn cancel_sign_in(&self, visit: Visit) -> Result<Motion, AppError> {
        self.finish(visit, Outcome::failed(ConnectError::OemCancelledLogin)).await
    }

    /// The owner goes back before granting anything.
    pub async fn go_back(&self, visit: Visit) -> Result<Motion, AppError> {
        let error = match visit.request.door {
            Door::Capacity => ConnectError::BatteryCapacityNoSelection,
            Door::Authorize | Door::Reauthenticate | Door::Access => ConnectError::UserManuallyReturned,
        };
        self.finish(visit, Outcome::failed(error)).await
    }

    /// The owner leaves the page that said why it does not go on.
    pub async fn leave_trouble(&self, visit: Visit, shares: bool) -> Result<Motion, AppError> {
        let Some(trouble) = visit.so_far.trouble.clone() else { return self.skipped(visit).await };
        let (kind, _) = visit.trouble().expect("there is one");
        let mut extras = Vec::new();
        if let Some(status) = kind.status() {
            extras.push(("status_code", status.to_string()));
            extras.push(("error_message", trouble.message));
        }
        if shares {
            for name in ["vin", "make", "model", "year"] {
                let value = trouble.car.iter().find(|(known, _)| known == name);
                extras.extend(value.map(|(_, value)| (name, value.clone())));
            }
        }
        self.finish(visit, Outcome::Failed { error: kind.error(), description: None, extras }).await
    }

    /// Something failed on this side while the owner was on a page. The visit goes on in two ways: from that page again, or back to
    /// the application with an error.
    ///
    /// # Errors
    ///
    /// When not even that can be offered.
    pub async fn broken(&self, mut visit: Visit) -> Result<(Visit, String), AppError> {
        visit.so_far.trouble = Some(Trouble::of(TroubleKind::Internal, ""));
        let sealed = self.sealed_visit(visit.application.application.id, &visit.so_far).await?;
        Ok((visit, sealed))
    }

    /// A page was asked for whose turn it is not.
    pub async fn skipped(&self, visit: Visit) -> Result<Motion, AppError> {
        self.trouble(visit, TroubleKind::Skipped, "a step of the visit was left out").await
    }

    async fn refused_by_brand(&self, visit: Visit, refused: AccountRefused) -> Result<Motion, AppError> {
        match refused {
            AccountRefused::WrongLogin => self.again(visit, Screen::SignIn, Note::WrongLogin).await,
            AccountRefused::NoVehicles => self.trouble(visit, TroubleKind::NoVehicles, "").await,
            AccountRefused::Subscription => self.trouble(visit, TroubleKind::Subscription, "").await,
            AccountRefused::Configuration(message) => {
                self.trouble(visit, TroubleKind::Configuration, &message).await
            }
            AccountRefused::Incompatible { vin, model, year } => {
                let make = visit.so_far.make.clone();
                let known = [
                    ("vin", Some(vin)),
                    ("make", make),
                    ("model", model),
                    ("year", year.map(|year| year.to_string())),
                ];
                let known = known.into_iter().filter_map(|(name, value)| Some((name, value?)));
                self.incompatible(visit, known).await
            }
        }
    }

    async fn incompatible(
        &self,
        mut visit: Visit,
        known: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Result<Motion, AppError> {
        let car = known.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        visit.so_far.trouble =
            Some(Trouble { kind: TroubleKind::Incompatible as u8, message: String::new(), car });
        self.go(visit, Screen::Trouble).await
    }

    async fn trouble(&self, mut visit: Visit, kind: TroubleKind, message: &str) -> Result<Motion, AppError> {
        visit.so_far.trouble = Some(Trouble::of(kind, message));
        self.go(visit, Screen::Trouble).await
    }

    async fn again(&self, mut visit: Visit, screen: Screen, note: Note) -> Result<Motion, AppError> {
        visit.so_far.note = note as u8;
        self.to(visit, screen).await
    }

    async fn go(&self, mut visit: Visit, screen: Screen) -> Result<Motion, AppError> {
        visit.so_far.note = Note::None as u8;
        self.to(visit, screen).await
    }

    async fn to(&self, visit: Visit, screen: Screen) -> Result<Motion, AppError> {
        Ok(Motion::To(screen, self.sealed_visit(visit.application.application.id, &visit.so_far).await?))
    }

    /// Ends a visit.
    async fn finish(&self, mut visit: Visit, outcome: Outcome) -> Result<Motion, AppError> {
        if visit.request.door == Door::Access {
            return self.begin_again(visit).await;
        }
        match end(&visit.request, outcome, &self.settings.origin) {
            End::Redirect(uri) => Ok(Motion::Away(uri)),
            End::Page(told) => {
                visit.so_far.told = Some(owned(told));
                self.go(visit, Screen::Done).await
            }
        }
    }

    /// The account that the owner has signed in to.
    async fn account(&self, visit: &Visit) -> Result<Result<BrandAccount, AccountRefused>, AppError> {
        let Some(account) = &visit.so_far.account else { return Ok(Err(AccountRefused::WrongLogin)) };
        let Some(car) = account.car() else {
            return Ok(self.accounts.account(&account.ticket, self.now()).await);
        };
        let Some((car, _)) = self.store.car(car).await? else { return Ok(Err(AccountRefused::NoVehicles)) };
        let offered = self.accounts.car(car.source.kind, &car.source.spec);
        Ok(Ok(BrandAccount { identity: simulated_name(car.id), cars: offered.into_iter().collect() }))
    }

    /// The account of a car that an operator has made, if that is what the login names.
    async fn owner_of_car(
        &self,
        make: &str,
        mode: Mode,
        username: &str,
        password: &str,
    ) -> Result<Option<Account>, AppError> {
        let id = username.strip_suffix(SIMULATOR_HOST).and_then(|id| id.parse::<VehicleId>().ok());
        let Some(id) = id.filter(|_| mode != Mode::Live) else { return Ok(None) };
        let Some((car, _)) = self.store.car(id.0).await? else { return Ok(None) };
        let fits = car.info.make == make && self.simulated_login(id.0).password == password;
        Ok(fits.then(|| Account {
            ticket: vec![],
            car: Some(id.0.into_bytes().into()),
            signed_in_at: Some(self.now().as_micros()),
            digits: 0,
            pin: false,
        }))
    }

    /// How the owner of a car that an operator has made signs in.
    pub fn simulated_login(&self, car: Uuid) -> SimulatedLogin {
        let password = self.sealer.find(Find::SimulatedPassword, car.as_bytes());
        SimulatedLogin { username: simulated_name(car), password: hex::encode(&password[..6]) }
    }

    /// To the login of the brand whose vehicle lost its access.
    async fn to_brand_of_vehicle(&self, mut visit: Visit) -> Result<Motion, AppError> {
        let vehicle = visit.request.vehicle.unwrap_or(VehicleId(Uuid::nil()));
        let row = match self.vehicle(vehicle, Some(visit.application.application.no)).await {
            Ok(row) => row,
            Err(AppError::NotFound(_)) => {
                let message = "the application has no vehicle with this vehicle_id";
                return self.trouble(visit, TroubleKind::Configuration, message).await;
            }
            Err(error) => return Err(error),
        };
        visit.so_far.make = Some(row.info.make);
        visit.so_far.country = match row.info.region {
            Region::UnitedStates => "US".into(),
            Region::Canada => "CA".into(),
            Region::Europe if visit.country().region != Region::Europe => "DE".into(),
            Region::Europe => visit.so_far.country,
        };
        self.go(visit, Screen::SignIn).await
    }

    /// Gives a vehicle its access back, when the owner has signed in to the account that it is in.
    async fn reauthenticate(&self, visit: Visit, account: BrandAccount) -> Result<Motion, AppError> {
        let vehicle = visit.request.vehicle.unwrap_or(VehicleId(Uuid::nil()));
        let row = match self.vehicle(vehicle, Some(visit.application.application.no)).await {
            Ok(row) => row,
            Err(AppError::NotFound(_)) => return self.skipped(visit).await,
            Err(error) => return Err(error),
        };
        let is_it = self.accounts.car(row.source.kind, &row.source.spec).map(|car| car.vin);
        if is_it.is_none() || !account.cars.iter().any(|car| Some(&car.vin) == is_it.as_ref()) {
            return self.again(visit, Screen::SignIn, Note::AnotherAccount).await;
        }
        self.restore(&visit, &row.source.spec).await?;
        self.keep_external_id(&visit, &account, row.user).await?;
        let user = (visit.request.answer == Answer::Nothing).then_some(row.user);
        let external_id = self.external_id_to_return(&visit.request, row.user).await?;
        let outcome = Outcome::Vehicle { vehicle, user, external_id, selected_capacity: None };
        self.finish(visit, outcome).await
    }

    /// Keeps the application's own id of the owner who has signed in again.
    ///
    /// A car may be in more accounts than one. Whoever has signed in to another than the one that it was connected with names
    /// nobody anew: under that id the application would look for all vehicles of the owner.
    async fn keep_external_id(
        &self,
        visit: &Visit,
        account: &BrandAccount,
        user: UserId,
    ) -> Result<(), AppError> {
        let id = match &visit.request.external_id {
            ExternalId::Keep => return Ok(()),
            ExternalId::Clear => None,
            ExternalId::Set(id) => Some(id),
        };
        let _one_at_a_time = self.linking.lock().await;
        let owner = self.met_owner(&visit.application, &identity(account)).await?;
        let Some(owner) = owner.filter(|owner| owner.user == user) else { return Ok(()) };
        let external_id = match id {
            None => vec![],
            Some(id) => {
                let key = self.sealer.key(user.0).await?;
                key.seal(&*self.dice, What::ExternalId, user.0, id.as_bytes())
            }
        };
        self.store.link_owned(Owner { external_id, ..owner }, vec![]).await?;
        Ok(())
    }

    /// Lets a car of the operator be read again whose owner had taken the access away.
    async fn restore(&self, visit: &Visit, spec: &[u8]) -> Result<(), AppError> {
        let Some(car) = visit.so_far.account.as_ref().and_then(Account::car) else { return Ok(()) };
        // A recorded trip has no account to be restored.
        if let Ok(spec) = self.simulator.control(spec, &CarCommand::Restore, self.now()) {
            self.store.update_car(car, spec).await?;
        }
        Ok(())
    }

    /// A link to the page on which an owner says which battery a vehicle has. It works for thirty days.
    pub async fn capacity_link(&self, vehicle: VehicleId) -> Result<String, AppError> {
        let row = self.vehicle(vehicle, None).await?;
        let entry = self.registry.application(row.application).ok_or(AppError::NotFound("application"))?;
        let id = entry.application.id;
        let until = (self.now() + CAPACITY_LINK_LIFE).as_micros().to_be_bytes();
        let plain = [vehicle.0.as_bytes().as_slice(), &until].concat();
        let sealed = self.sealer.key(id.0).await?.seal(&*self.dice, What::CapacityLink, id.0, &plain);
        let (origin, sealed) = (&self.settings.origin, hex::encode(sealed));
        Ok(format!(
            "{origin}/battery-capacity?vehicle_id={vehicle}&client_id={id}&token={sealed}&response_type=vehicle_id"
        ))
    }

    /// What is known of a vehicle's battery where its brand does not settle which it is.
    pub async fn capacity_choice(&self, row: &VehicleRow) -> Result<Option<CapacityChoice>, AppError> {
        let car = self.accounts.car(row.source.kind, &row.source.spec);
        let Some(car) = car.filter(|car| !car.capacities_wh.is_empty()) else { return Ok(None) };
        let kilowatt_hours = |wh: u32| f64::from(wh) / 1_000.0;
        Ok(Some(CapacityChoice {
            available: car.capacities_wh.into_iter().map(kilowatt_hours).collect(),
            chosen: self.store.capacity(row.no).await?.map(kilowatt_hours),
            link: self.capacity_link(row.info.id).await?,
        }))
    }

    /// To the choice of a battery, when the link is one of ours.
    async fn to_capacity(&self, visit: Visit) -> Result<Motion, AppError> {
        match self.car_of_link(&visit).await? {
            Some(_) => self.go(visit, Screen::Capacity).await,
            None => {
                let message = "the link to choose a battery is not valid any more";
                self.trouble(visit, TroubleKind::Configuration, message).await
            }
        }
    }

    /// The vehicle that a link to the battery page is about, while the link is good.
    async fn car_of_link(&self, visit: &Visit) -> Result<Option<(VehicleRow, AccountCar)>, AppError> {
        let id = visit.application.application.id;
        let Some(sealed) = visit.request.token.as_deref().and_then(|token| hex::decode(token).ok()) else {
            return Ok(None);
        };
        let key = self.sealer.key(id.0).await?;
        let Ok(plain) = key.open(What::CapacityLink, id.0, &sealed) else { return Ok(None) };
        let (Some(vehicle), Some(until)) = (plain.first_chunk::<16>(), plain.last_chunk::<8>()) else {
            return Ok(None);
        };
        let vehicle = VehicleId(Uuid::from_bytes(*vehicle));
        if visit.request.vehicle != Some(vehicle) || i64::from_be_bytes(*until) <= self.now().as_micros() {
            return Ok(None);
        }
        let row = match self.vehicle(vehicle, Some(visit.application.application.no)).await {
            Ok(row) => row,
            Err(AppError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let car = self.accounts.car(row.source.kind, &row.source.spec);
        Ok(car.filter(|car| !car.capacities_wh.is_empty()).map(|car| (row, car)))
    }

    async fn keep_capacity(&self, visit: Visit, capacity_wh: u32) -> Result<Motion, AppError> {
        let Some((row, _)) = self.car_of_link(&visit).await? else { return self.skipped(visit).await };
        self.store.set_capacity(row.no, capacity_wh).await?;
        let outcome = Outcome::Vehicle {
            vehicle: row.info.id,
            user: None,
            external_id: None,
            selected_capacity: Some(kilowatt_hours(capacity_wh)),
        };
        self.finish(visit, outcome).await
    }
}

impl Account {
    fn car(&self) -> Option<Uuid> {
        self.car.map(|bytes| Uuid::from_bytes(*bytes))
    }

    fn signed_in_at(&self) -> Option<Timestamp> {
        self.signed_in_at.map(Timestamp::from_micros)
    }
}

/// How long a link to the battery page works.
const CAPACITY_LINK_LIFE: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Cars of an account whose battery is asked for, so that a visit does not outgrow a link.
const MOST_CAPACITIES: usize = 16;
/// Vehicles that a visit remembers while the owner reads about the key, for the same reason. Who gives more is sent back at once.
const MOST_GIVEN: usize = 64;
/// Bytes of a login.
const MOST_USERNAME: usize = 254;

/// A capacity as it is written: `58.5`.
pub(crate) fn kilowatt_hours(wh: u32) -> String {
    (f64::from(wh) / 1_000.0).to_string()
}

fn simulated_name(car: Uuid) -> String {
    format!("{}{SIMULATOR_HOST}", car.hyphenated())
}

/// What tells an account from all others: identities are the brand's own.
fn identity(account: &BrandAccount) -> String {
    account.identity.clone()
}

fn opener(to: &Destination) -> Option<String> {
    match to {
        Destination::Hosted { opener } => opener.clone(),
        Destination::Redirect(_) => None,
    }
}

fn owned(told: Told) -> Vec<(String, String)> {
    told.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The cars of an account that can be connected, with what can be given of each.
fn offers(request: &AuthorizeRequest, account: &BrandAccount) -> Vec<Offer> {
    let wanted = |car: &&AccountCar| request.vin.as_ref().is_none_or(|vin| *vin == car.vin);
    let offer = |car: &AccountCar| {
        let permissions = consent::offer(request.asked, request.required, car.supported)?;
        Some(Offer { car: car.clone(), permissions })
    };
    account.cars.iter().filter(wanted).filter_map(offer).collect()
}

/// Offers of cars whose battery is not known and has not been asked for yet.
fn ambiguous<'a>(visit: &'a Visit, offers: &'a [Offer]) -> impl Iterator<Item = &'a Offer> {
    let asked = |offer: &&Offer| offer.permissions.contains(Permission::ReadBattery);
    let so_far = &visit.so_far;
    let done = so_far.capacities_asked || so_far.capacities.len() >= MOST_CAPACITIES;
    let chosen = move |vin: &str| done || so_far.capacities.iter().any(|(known, _)| known == vin);
    offers
        .iter()
        .filter(asked)
        .filter(move |offer| offer.car.capacities_wh.len() > 1 && !chosen(&offer.car.vin))
}

fn is_vin(text: &str) -> bool {
    text.len() == 17 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Numbers that no real car has: no country was given the region code 0.
fn is_of_the_simulator(vin: &str) -> bool {
    vin.starts_with('0')
}

impl Visit {
    /// What the page says that ends the visit without a redirect.
    pub fn ended(&self) -> Option<Ended> {
        let application = self.application.application.name.clone();
        Some(Ended { application, told: self.told()?.to_vec(), opener: opener(&self.request.to) })
    }
}
