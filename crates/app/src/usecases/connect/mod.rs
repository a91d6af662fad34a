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
mod again;
mod battery;
mod grant;
mod linking;
mod sign_in;
mod visit;

use domain::{
    connect::{
        ConnectError, Outcome, authorize,
        authorize::{Destination, Door, PageProblem, Refused, claimed_application},
        country::Country,
        outcome::{End, Told, end, end_refused},
    },
    time::Timestamp,
};

use crate::{App, AppError, ports::BrandAccount, usecases::token};

pub use access::Access;
pub use battery::CapacityChoice;
pub use grant::Offer;
pub use sign_in::SimulatedLogin;
pub use visit::{Note, TroubleKind, Visit, VisitRefused};
use visit::{SoFar, Trouble};

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

impl Visit {
    /// When the owner signed in to the account that the visit is about.
    fn signed_in_at(&self) -> Option<Timestamp> {
        self.so_far.account.as_ref()?.signed_in_at.map(Timestamp::from_micros)
    }

    /// What the page says that ends the visit without a redirect.
    pub fn ended(&self) -> Option<Ended> {
        let application = self.application.application.name.clone();
        Some(Ended { application, told: self.told()?.to_vec(), opener: opener(&self.request.to) })
    }
}
