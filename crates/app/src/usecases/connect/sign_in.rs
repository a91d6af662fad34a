//! From the list of brands to the account: login, second factor, and what is in it.

use domain::{
    connect::{
        AuthorizeRequest,
        authorize::{Door, Mode},
    },
    ids::VehicleId,
};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Motion, Note, Screen, TroubleKind, Visit, battery::ambiguous, grant::offers, visit::Account};
use crate::{
    App, AppError, Find,
    ports::{AccountRefused, BrandAccount, Factor, SignIn},
};

/// What stands behind the `@` in the login of a simulated car's owner.
const SIMULATOR_HOST: &str = "@simulator.milepost";
/// Bytes of a login.
const MOST_USERNAME: usize = 254;

/// How the owner of a car of the simulator signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedLogin {
    /// Names the car.
    pub username: String,
    /// Proves nothing but that somebody has looked at the car.
    pub password: String,
}

/// What a login says about the cars that operators have made.
enum SimulatedOwner {
    /// It is that of one of them.
    Proven(Account),
    /// It names one, or none that there is, and does not open it.
    WrongPassword,
    /// It names none of them.
    Unknown,
}

impl App {
    /// To the brand that the request names, or to the list.
    pub(super) async fn to_brand(&self, visit: Visit) -> Result<Motion, AppError> {
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
            SimulatedOwner::Proven(account) => Ok(account),
            SimulatedOwner::WrongPassword => Err(AccountRefused::WrongLogin),
            SimulatedOwner::Unknown => {
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
    pub(super) async fn signed_in(&self, visit: Visit) -> Result<Motion, AppError> {
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

    pub(super) async fn nothing_to_offer(
        &self,
        visit: Visit,
        account: BrandAccount,
    ) -> Result<Motion, AppError> {
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

    pub(super) async fn refused_by_brand(
        &self,
        visit: Visit,
        refused: AccountRefused,
    ) -> Result<Motion, AppError> {
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

    /// The account that the owner has signed in to.
    pub(super) async fn account(
        &self,
        visit: &Visit,
    ) -> Result<Result<BrandAccount, AccountRefused>, AppError> {
        let Some(account) = &visit.so_far.account else { return Ok(Err(AccountRefused::WrongLogin)) };
        let Some(car) = account.car() else {
            return Ok(self.accounts.account(&account.ticket, self.now()).await);
        };
        let Some((car, _)) = self.store.car(car).await? else { return Ok(Err(AccountRefused::NoVehicles)) };
        let offered = self.accounts.car(car.source.kind, &car.source.spec);
        Ok(Ok(BrandAccount { identity: simulated_name(car.id), cars: offered.into_iter().collect() }))
    }

    /// The account of a car that an operator has made, if that is what the login names. Names of that kind sign in with
    /// their password only, at their brand only: they never lead to a made-up account.
    async fn owner_of_car(
        &self,
        make: &str,
        mode: Mode,
        username: &str,
        password: &str,
    ) -> Result<SimulatedOwner, AppError> {
        let name = username.to_ascii_lowercase();
        let Some(id) = name.strip_suffix(SIMULATOR_HOST).filter(|_| mode != Mode::Live) else {
            return Ok(SimulatedOwner::Unknown);
        };
        let Ok(id) = id.parse::<VehicleId>() else { return Ok(SimulatedOwner::WrongPassword) };
        let Some((car, _)) = self.store.car(id.0).await? else { return Ok(SimulatedOwner::WrongPassword) };
        if car.info.make != make || self.simulated_login(id.0).password != password {
            return Ok(SimulatedOwner::WrongPassword);
        }
        Ok(SimulatedOwner::Proven(Account {
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
}

pub(super) fn simulated_name(car: Uuid) -> String {
    format!("{}{SIMULATOR_HOST}", car.hyphenated())
}

fn is_vin(text: &str) -> bool {
    text.len() == 17 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Numbers that no real car has: no country was given the region code 0.
fn is_of_the_simulator(vin: &str) -> bool {
    vin.starts_with('0')
}
