//! What an application asks for when it sends an owner to Connect, and whether it may.
//!
//! A request is judged in two parts. As long as the application and the place to return to are not known to be good,
//! a refusal stays on the page ([`Refused::OnPage`]): nothing is ever sent to an address that nobody has registered. From
//! then on a refusal goes back to the application ([`Refused::Return`]). Every text has a bound, every parameter
//! may be there once, and one without a value counts as absent, as OAuth has it.

use std::ops::ControlFlow;

use super::{
    ConnectError, Permission, PermissionSet, UnknownPermission,
    country::Country,
    defaults::{Defaults, Wanted},
    form,
    redirect::{LOOPBACK, is_port},
};
use crate::ids::{ApplicationId, VehicleId};

/// The longest query.
pub const MOST_QUERY_BYTES: usize = 8_192;
/// The most parameters of a query.
const MOST_PARAMETERS: usize = 64;
const MOST_STATE: usize = 4_096;
const MOST_SCOPE: usize = 1_024;
const MOST_EXTERNAL_ID: usize = 256;
const MOST_MAKE: usize = 40;
/// Characters of a SHA-256 in base64url without padding.
const CHALLENGE: usize = 43;

/// Which door an owner came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Door {
    /// `/oauth/authorize`: give an application access.
    Authorize = 0,
    /// `/oauth/reauthenticate`: sign in again for a vehicle that has lost its access.
    Reauthenticate = 1,
    /// `/battery-capacity`: say which battery a vehicle has.
    Capacity = 2,
    /// `/connect/access`: see what an application has access to, and end it.
    Access = 3,
}

impl Door {
    /// From the number that is kept.
    pub fn from_number(number: u8) -> Option<Self> {
        let all = [Self::Authorize, Self::Reauthenticate, Self::Capacity, Self::Access];
        all.get(usize::from(number)).copied()
    }
}

/// What the application wants to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A code, to be exchanged for tokens.
    Code,
    /// Nothing beside the owner's id.
    Nothing,
    /// The id of the vehicle that the visit was about.
    Vehicle,
}

/// Which cars are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// Real ones.
    Live = 0,
    /// Those of the simulator.
    Simulated = 1,
    /// The older word for simulated ones.
    Test = 2,
}

impl Mode {
    /// The word of the query.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Simulated => "simulated",
            Self::Test => "test",
        }
    }
}

/// Where the result goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To a registered URI.
    Redirect(String),
    /// To a page of ours, which tells the window that opened it, if that has this origin.
    Hosted {
        /// The origin, of a registered URI.
        opener: Option<String>,
    },
}

/// What becomes of the id under which the application knows the owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ExternalId {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is forgotten.
    Clear,
    /// It is this one from now on.
    Set(String),
}

impl ExternalId {
    /// Whether it changes nothing of what is known of an owner.
    pub fn is_known(&self, known: Option<&str>) -> bool {
        match self {
            Self::Keep => true,
            Self::Clear => known.is_none(),
            Self::Set(id) => known == Some(id),
        }
    }
}

/// A request that may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizeRequest {
    /// The door that it came through.
    pub door: Door,
    /// Who asks.
    pub application: ApplicationId,
    /// What it wants to get.
    pub answer: Answer,
    /// Where that goes.
    pub to: Destination,
    /// The redirect URI, if the request had one: whoever redeems the code has to name it again.
    pub redirect_uri: Option<String>,
    /// Returned unchanged.
    pub state: Option<String>,
    /// The permissions; when the request names none, what the application has set, or what can be read.
    pub asked: PermissionSet,
    /// Those among them that an owner cannot take out.
    pub required: PermissionSet,
    /// Whether the grant screen is shown even after an identical consent.
    pub force: bool,
    /// Which cars are offered.
    pub mode: Mode,
    /// Upper case; the list of brands is skipped.
    pub make: Option<String>,
    /// One vehicle only.
    pub single: bool,
    /// This vehicle only; upper case, of whatever form it was sent in.
    pub vin: Option<String>,
    /// Where the owner is, as far as the application knows.
    pub country: Option<Country>,
    /// The application's own id of the owner.
    pub external_id: ExternalId,
    /// SHA-256 of what will be presented with the code, in base64url.
    pub challenge: Option<String>,
    /// The vehicle that the visit is about, for the doors that are about one.
    pub vehicle: Option<VehicleId>,
    /// What proves that the link to the battery page came from us.
    pub token: Option<String>,
}

impl AuthorizeRequest {
    /// Whether the application is told its own id of the owner. A redirect always does; a page of ours only if the request
    /// spoke of it.
    pub fn returns_external_id(&self) -> bool {
        match self.to {
            Destination::Redirect(_) => true,
            Destination::Hosted { .. } => self.external_id != ExternalId::Keep,
        }
    }
}

/// Why a request stops at a page of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageProblem {
    /// Not a query.
    #[error("the link is not well-formed; its parameters have to be percent-encoded once, as UTF-8")]
    Malformed,
    /// Longer than any application needs.
    #[error("the link is too long; it may have {MOST_QUERY_BYTES} bytes and {MOST_PARAMETERS} parameters")]
    TooLong,
    /// One of the parameters on which trust rests is there more than once.
    #[error("the link names its application or where to return to more than once")]
    Repeated,
    /// No application, or one that is not here.
    #[error(
        "the link names no application of this server; client_id is the id that the application was given"
    )]
    Client,
    /// Not registered.
    #[error(
        "the address to return to is not registered for this application; it has to be written exactly as it is registered"
    )]
    RedirectUri,
    /// None given and none registered.
    #[error(
        "the application has no registered address to return to; register one, or send one that is registered"
    )]
    NoRedirectUri,
    /// The opener is somebody else.
    #[error("the page that opened this window does not belong to the application")]
    AppOrigin,
}

/// What goes back to the application instead of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// Where to.
    pub to: Destination,
    /// Returned unchanged.
    pub state: Option<String>,
    /// Why.
    pub error: ConnectError,
    /// What to do about it, for the people who write the application.
    pub description: String,
}

/// A request that may not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The application or the place to return to is not known to be good.
    OnPage(PageProblem),
    /// They are, and something else is wrong.
    Return(Returned),
}

impl From<PageProblem> for Refused {
    fn from(problem: PageProblem) -> Self {
        Self::OnPage(problem)
    }
}

/// Who a request says that it is from, before anything is believed.
///
/// # Errors
///
/// When it says nothing that could be looked up.
pub fn claimed_application(query: &str) -> Result<ApplicationId, PageProblem> {
    let parameters = Parameters::read(query)?;
    let names = ["client_id", "application_id"];
    let [client, application] = names.map(|name| parameters.one(name));
    let id = match (client?, application?) {
        (Some(client), Some(application)) if client != application => return Err(PageProblem::Client),
        (Some(id), _) | (None, Some(id)) => id,
        (None, None) => return Err(PageProblem::Client),
    };
    id.parse().map_err(|_| PageProblem::Client)
}

/// What a request is held against.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// The redirect URIs of the application; the first of them is the usual one.
    pub registered: &'a [String],
    /// What the application has set for requests that leave it open.
    pub usual: Defaults,
    /// Whether this server connects cars of the simulator.
    pub simulated: bool,
}

/// Judges a request of a known application.
///
/// # Errors
///
/// [`Refused`], and whether that may be told to the application.
pub fn authorize(door: Door, query: &str, terms: &Terms<'_>) -> Result<AuthorizeRequest, Refused> {
    let parameters = Parameters::read(query)?;
    let application = claimed_application(query)?;
    let to = match door {
        // The owner's own page: nothing is returned, and so nowhere.
        Door::Access => Destination::Hosted { opener: None },
        Door::Authorize | Door::Reauthenticate | Door::Capacity => {
            destination(&parameters, terms.registered)?
        }
    };
    // From here on the application is told.
    let state = parameters.one("state").ok().flatten().filter(|state| state.len() <= MOST_STATE);
    let refuse = |(error, description): Wrong| {
        let (to, state) = (to.clone(), state.map(str::to_owned));
        Refused::Return(Returned { to, state, error, description })
    };
    let all_that_can_be_read = Wanted { asked: USUAL_PERMISSIONS, required: PermissionSet::default() };
    let usual = terms.usual.permissions.unwrap_or(all_that_can_be_read);
    let mut request = AuthorizeRequest {
        door,
        application,
        answer: Answer::Code,
        to: to.clone(),
        redirect_uri: parameters.one("redirect_uri")?.map(str::to_owned),
        state: state.map(str::to_owned),
        asked: usual.asked,
        required: usual.required,
        force: false,
        mode: Mode::Live,
        make: None,
        single: false,
        vin: None,
        country: terms.usual.country,
        external_id: ExternalId::Keep,
        challenge: None,
        vehicle: None,
        token: None,
    };
    fill(&mut request, &parameters, terms).map_err(refuse)?;
    Ok(request)
}

/// What an application gets that does not say what it wants: everything that can be read, and nothing that can be done.
pub const USUAL_PERMISSIONS: PermissionSet = {
    let (mut set, mut at) = (PermissionSet::ALL, 0);
    while at < Permission::ALL.len() {
        let permission = Permission::ALL[at];
        if permission.controls() {
            set = set.without(permission);
        }
        at += 1;
    }
    set
};

/// An error for the application, with what to do about it.
type Wrong = (ConnectError, String);

fn invalid(description: impl Into<String>) -> Wrong {
    (ConnectError::InvalidRequest, description.into())
}

fn fill(request: &mut AuthorizeRequest, parameters: &Parameters, terms: &Terms<'_>) -> Result<(), Wrong> {
    parameters.each_once()?;
    let get = |name| parameters.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    bounded("state", get("state"), MOST_STATE)?;
    request.answer = answer(request.door, get("response_type"))?;
    // `user`, the older name of an owner, is for statistics alone: it is neither kept nor returned.
    request.external_id = external_id(get("external_id"))?;
    match request.door {
        Door::Authorize => what_is_asked(request, terms, get),
        Door::Reauthenticate | Door::Capacity => {
            let id = get("vehicle_id").ok_or_else(|| invalid("vehicle_id is missing"))?;
            let id =
                id.parse().map_err(|_| invalid("vehicle_id is the id of a vehicle, of 36 characters"))?;
            request.vehicle = Some(id);
            request.token = bounded("token", get("token"), MOST_STATE)?.map(str::to_owned);
            // A link to the choice of a battery is proof enough by itself; nobody signs in there.
            request.mode = match request.door {
                Door::Reauthenticate => mode(Some("simulated"), terms)?,
                Door::Authorize | Door::Capacity | Door::Access => Mode::Simulated,
            };
            Ok(())
        }
        Door::Access => {
            // Nothing is asked for, so nothing can be offered.
            (request.asked, request.required) = Default::default();
            request.mode = mode(get("mode"), terms)?;
            Ok(())
        }
    }
}

fn what_is_asked<'a>(
    request: &mut AuthorizeRequest,
    terms: &Terms<'_>,
    get: impl Fn(&'static str) -> Option<&'a str>,
) -> Result<(), Wrong> {
    if let Some(scope) = bounded("scope", get("scope"), MOST_SCOPE)? {
        Wanted { asked: request.asked, required: request.required } = permissions(scope)?;
    }
    request.force = match get("approval_prompt") {
        None | Some("auto") => false,
        Some("force") => true,
        Some(_) => return Err(invalid("approval_prompt is auto or force")),
    };
    request.mode = mode(get("mode"), terms)?;
    request.make = bounded("make", get("make"), MOST_MAKE)?.map(spelt_out);
    request.vin = bounded("single_select_vin", get("single_select_vin"), MOST_MAKE)?.map(str::to_uppercase);
    request.single = match get("single_select") {
        None => request.vin.is_some(),
        Some("true") => true,
        Some("false") => request.vin.is_some(),
        Some(_) => return Err(invalid("single_select is true or false")),
    };
    request.country = get("flags").and_then(country_of_flags).or(request.country);
    request.challenge = challenge(get("code_challenge"), get("code_challenge_method"))?;
    Ok(())
}

fn mode(mode: Option<&str>, terms: &Terms<'_>) -> Result<Mode, Wrong> {
    match mode {
        None | Some("live") => Ok(Mode::Live),
        Some("simulated" | "test") if !terms.simulated => {
            Err(invalid("mode is live, for this server connects no simulated cars"))
        }
        Some("simulated") => Ok(Mode::Simulated),
        Some("test") => Ok(Mode::Test),
        Some(_) => Err(invalid("mode is live, simulated or test")),
    }
}

/// A brand in the one form that is compared: upper case, with spaces.
pub fn spelt_out(make: &str) -> String {
    make.trim().replace('_', " ").to_uppercase()
}

fn answer(door: Door, response_type: Option<&str>) -> Result<Answer, Wrong> {
    let there_are: &[&str] = match door {
        Door::Authorize => &["code", "none"],
        Door::Reauthenticate => &["vehicle_id", "none"],
        Door::Capacity => &["vehicle_id"],
        Door::Access => return Ok(Answer::Nothing),
    };
    match response_type {
        None => Err(invalid("response_type is missing")),
        Some(known) if there_are.contains(&known) => Ok(match known {
            "code" => Answer::Code,
            "none" => Answer::Nothing,
            _ => Answer::Vehicle,
        }),
        Some(_) => {
            let there_are = there_are.join(" or ");
            Err((ConnectError::UnsupportedResponseType, format!("response_type is {there_are} here")))
        }
    }
}

fn external_id(id: Option<&str>) -> Result<ExternalId, Wrong> {
    match bounded("external_id", id, MOST_EXTERNAL_ID)? {
        None => Ok(ExternalId::Keep),
        Some("null") => Ok(ExternalId::Clear),
        Some(id) if id.chars().any(char::is_control) => Err(invalid("external_id has a control character")),
        Some(id) => Ok(ExternalId::Set(id.to_owned())),
    }
}

/// The permissions of a scope.
fn permissions(scope: &str) -> Result<Wanted, Wrong> {
    let wanted = Wanted::of_words(scope.split_ascii_whitespace())
        .map_err(|UnknownPermission(word)| (ConnectError::InvalidScope, unknown_permission(&word)))?;
    match wanted == Wanted::default() {
        true => Err((ConnectError::InvalidScope, "scope names no permission".into())),
        false => Ok(wanted),
    }
}

fn unknown_permission(word: &str) -> String {
    let word: String = word.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
    format!("scope has no permission {word}; permissions look like read_odometer or required:read_odometer")
}

/// The only flag that changes anything here; others are left alone.
fn country_of_flags(flags: &str) -> Option<Country> {
    flags.split_ascii_whitespace().find_map(|flag| flag.strip_prefix("country:")).and_then(Country::find)
}

/// Only hashes are taken: a challenge that is its own verifier would protect nothing.
fn challenge(challenge: Option<&str>, method: Option<&str>) -> Result<Option<String>, Wrong> {
    let of_the_alphabet = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match (challenge, method) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(invalid("code_challenge_method needs a code_challenge")),
        (Some(hash), Some("S256")) if hash.len() == CHALLENGE && hash.chars().all(of_the_alphabet) => {
            Ok(Some(hash.to_owned()))
        }
        (Some(_), Some("S256")) => {
            Err(invalid(format!("code_challenge is a SHA-256 in base64url, of {CHALLENGE} characters")))
        }
        (Some(_), _) => Err(invalid("code_challenge_method has to be S256")),
    }
}

fn bounded<'a>(name: &'static str, value: Option<&'a str>, most: usize) -> Result<Option<&'a str>, Wrong> {
    match value {
        Some(value) if value.len() > most => Err(invalid(format!("{name} is longer than {most} bytes"))),
        value => Ok(value),
    }
}

/// Where the result goes, once that is known to be good.
fn destination(parameters: &Parameters, registered: &[String]) -> Result<Destination, PageProblem> {
    let opener = parameters.one("app_origin")?;
    match parameters.one("redirect_uri")? {
        Some(uri) if registered.iter().any(|known| is_registered(uri, known)) => {
            Ok(Destination::Redirect(uri.to_owned()))
        }
        Some(_) => Err(PageProblem::RedirectUri),
        None if parameters.one("response_type").ok().flatten() == Some("none") => match opener {
            None => Ok(Destination::Hosted { opener: None }),
            Some(origin) if registered.iter().any(|known| belongs_to(origin, known)) => {
                Ok(Destination::Hosted { opener: Some(origin.to_owned()) })
            }
            Some(_) => Err(PageProblem::AppOrigin),
        },
        None => registered.first().cloned().map(Destination::Redirect).ok_or(PageProblem::NoRedirectUri),
    }
}

/// Whether a URI is the registered one, character by character. Of a local one the port may differ: programs on the
/// owner's machine take one that is free.
pub fn is_registered(uri: &str, registered: &str) -> bool {
    uri == registered
        || match (local(uri), local(registered)) {
            (Some(uri), Some(registered)) => uri == registered,
            _ => false,
        }
}

/// The host of a local URI, and what it has behind its port.
fn local(uri: &str) -> Option<(&str, &str)> {
    let behind = uri.strip_prefix("http://")?;
    let (host, rest) = LOOPBACK.iter().find_map(|host| Some((*host, behind.strip_prefix(host)?)))?;
    let rest = match rest.strip_prefix(':') {
        None => rest,
        Some(rest) => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (port, rest) = rest.split_at(digits);
            is_port(port).then_some(rest)?
        }
    };
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest))
}

/// Whether an origin is that of a registered URI, or the one that a registered page of the browser SDK works for.
fn belongs_to(origin: &str, registered: &str) -> bool {
    if origin_of(origin) != Some(origin) {
        return false;
    }
    let works_for = registered.split_once('?').is_some_and(|(_, query)| {
        let pairs = form::read(query).unwrap_or_default();
        pairs.iter().any(|(name, value)| name == "app_origin" && value == origin)
    });
    let local_host = |uri| local(uri).map(|(host, _)| host);
    let is_local = local_host(origin).is_some() && local_host(origin) == local_host(registered);
    works_for || origin_of(registered) == Some(origin) || is_local
}

/// `https://host:port` of a URI.
fn origin_of(uri: &str) -> Option<&str> {
    let host = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://"))?;
    let end = host.find(['/', '?', '#']).unwrap_or(host.len());
    let authority = &host[..end];
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_');
    let origin = &uri[..uri.len() - host.len() + end];
    (!authority.is_empty() && authority.chars().all(plain)).then_some(origin)
}

/// The parameters of a query.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn read(query: &str) -> Result<Self, PageProblem> {
        if query.len() > MOST_QUERY_BYTES {
            return Err(PageProblem::TooLong);
        }
        let pairs = form::read(query).map_err(|_| PageProblem::Malformed)?;
        match pairs.len() > MOST_PARAMETERS {
            true => Err(PageProblem::TooLong),
            false => Ok(Self(pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect())),
        }
    }

    /// The value of a parameter that must not be there twice.
    fn one(&self, name: &str) -> Result<Option<&str>, PageProblem> {
        let found =
            self.0.iter().filter(|(known, _)| known == name).try_fold(
                None,
                |before, (_, value)| match before {
                    None => ControlFlow::Continue(Some(value.as_str())),
                    Some(_) => ControlFlow::Break(()),
                },
            );
        match found {
            ControlFlow::Continue(value) => Ok(value),
            ControlFlow::Break(()) => Err(PageProblem::Repeated),
        }
    }

    fn each_once(&self) -> Result<(), Wrong> {
        let mut names: Vec<_> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).any(|pair| pair[0] == pair[1]) {
            true => Err(invalid("a parameter is there more than once")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
