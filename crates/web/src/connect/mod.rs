//! Connect: the pages on which an owner gives an application access to vehicles.
//!
//! | path | what |
//! | --- | --- |
//! | `GET /oauth/authorize`, `/oauth/reauthenticate`, `/battery-capacity` | the doors: a visit begins with its first page |
//! | `GET /connect/access` | the door to the owner's own page: what an application has access to, and the end of it |
//! | `GET /connect/<screen>?visit=…` | a screen of the visit |
//! | `POST /connect/<screen>` | what the owner decided there; answers 303 to the next screen or to the application |
//!
//! The visit travels sealed in the query and in hidden fields, bound to the browser by a cookie. Nothing changes on a
//! GET, so a screen can be loaded again and the browser's Back works. A form is taken only from a page of ours: it carries
//! a visit that nobody else can have, and the browser says where it comes from. Pages need no script, allow none
//! in their markup, may not be framed, and load nothing from elsewhere.

mod done;
mod page;
mod screens;
mod words;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use app::{App, AppError, Begun, Motion, NotBegun, Screen, Visit, VisitRefused};
use axum::{
    Router,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use domain::connect::{
    Permission, PermissionSet,
    authorize::{Door, PageProblem},
    form,
};
use zeroize::Zeroizing;

use self::{
    page::{ACCESS_PATH, Page, SCRIPT_PATH, STYLE_PATH, see_other, where_to_end},
    screens::Scene,
    words::Language,
};
use crate::{mount, pages::html::Text};

/// The cookie that binds visits to a browser; over TLS no other host can set it.
const COOKIE: &str = "milepost-connect";
const COOKIE_OVER_TLS: &str = "__Host-milepost-connect";
/// Seconds that a browser keeps it after a visit has begun.
const COOKIE_LIFE: u32 = 3_600;

/// How owners are asked for a permission, in English.
pub(crate) fn permission_text(permission: Permission) -> &'static str {
    (Language::English.words().permission)(permission)
}

/// The pages of Connect.
pub(crate) fn router(app: Arc<App>) -> Router {
    let over_tls = app.settings().origin.starts_with("https://");
    let screen = |screen: Screen| {
        let read = move |State(connect): State<Connect>, headers: HeaderMap, RawQuery(query): RawQuery| async move {
            connect.show(screen, &headers, query.as_deref().unwrap_or_default()).await
        };
        let act = move |State(connect): State<Connect>, headers: HeaderMap, body: Bytes| async move {
            connect.act(screen, &headers, &body).await
        };
        get(read).post(act)
    };
    let door = |door: Door| {
        get(move |State(connect): State<Connect>, headers: HeaderMap, RawQuery(query): RawQuery| async move {
            connect.begin(door, &headers, query.as_deref().unwrap_or_default()).await
        })
    };
    SCREENS
        .iter()
        .fold(Router::new(), |router, &(which, path)| router.route(path, screen(which)))
        .route("/oauth/authorize", door(Door::Authorize))
        .route("/oauth/reauthenticate", door(Door::Reauthenticate))
        .route("/battery-capacity", door(Door::Capacity))
        .route(ACCESS_PATH, door(Door::Access))
        .route(STYLE_PATH, get(|| asset("text/css; charset=utf-8", include_str!("connect.css"))))
        .route(SCRIPT_PATH, get(|| asset("text/javascript; charset=utf-8", include_str!("connect.js"))))
        .with_state(Connect { app, over_tls })
}

const SCREENS: &[(Screen, &str)] = &[
    (Screen::Preamble, "/connect/start"),
    (Screen::Brands, "/connect/brands"),
    (Screen::SignIn, "/connect/sign-in"),
    (Screen::Factor, "/connect/code"),
    (Screen::Capacity, "/connect/battery"),
    (Screen::Grant, "/connect/permissions"),
    (Screen::VirtualKey, "/connect/key"),
    (Screen::Access, "/connect/vehicles"),
    (Screen::Trouble, "/connect/problem"),
    (Screen::Done, "/connect/done"),
];

fn path_of(screen: Screen) -> &'static str {
    SCREENS.iter().find(|(known, _)| *known == screen).map_or("/", |(_, path)| path)
}

fn path_in(screen: Screen, visit: &str) -> String {
    form::with_query(path_of(screen), [("visit", visit)])
}

/// The status of a page that failed.
fn status_of(error: &AppError) -> StatusCode {
    match error {
        AppError::Unavailable(_) | AppError::TooOften(_) => StatusCode::SERVICE_UNAVAILABLE,
        error => {
            tracing::error!(cause = %error, "A page of Connect failed");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

async fn asset(kind: &'static str, text: &'static str) -> Response {
    const CACHED: &str = "public, max-age=3600";
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, CACHED)], text).into_response()
}

/// What the handlers need.
#[derive(Clone)]
struct Connect {
    app: Arc<App>,
    over_tls: bool,
}

impl Connect {
    /// Takes in an owner whom an application has sent.
    async fn begin(&self, door: Door, headers: &HeaderMap, query: &str) -> Response {
        let language = preferred(headers);
        let cookie = self.cookie(headers);
        let begun = self.app.begin_visit(door, query, cookie, language.code(), languages(headers)).await;
        let Begun { visit, sealed, cookie } = match begun {
            Ok(begun) => begun,
            Err(NotBegun::OnPage(problem)) => return self.bad_link(problem, language).into_response(),
            Err(NotBegun::Away(to)) => return see_other(&to),
            Err(NotBegun::Ended(ended)) => {
                let page = Page::apart(StatusCode::BAD_REQUEST, language, "");
                return done::page(&ended, page, language, "").into_response();
            }
            Err(NotBegun::App(error)) => return self.failed(&error, language),
        };
        let scene = Scene { visit: &visit, sealed: &sealed, language };
        let mut response = screens::preamble(&scene).into_response();
        response.headers_mut().insert(header::SET_COOKIE, self.set_cookie(&cookie));
        response
    }

    /// Shows a screen of a visit.
    async fn show(&self, screen: Screen, headers: &HeaderMap, query: &str) -> Response {
        let Ok(fields) = Fields::read(query) else { return self.unknown(headers).into_response() };
        let visit = match self.open(&fields, headers).await {
            Ok(visit) => visit,
            Err(refused) => return refused,
        };
        let language = language_of(&visit);
        let scene = Scene { visit: &visit, sealed: fields.one("visit"), language };
        let motion = match self.screen(screen, &scene, &fields).await {
            Ok(Some(page)) => return page.into_response(),
            Ok(None) => self.app.skipped(visit).await,
            Err(error) => Err(error),
        };
        self.follow(motion, screen, headers, &fields).await
    }

    /// A screen, if it is its turn.
    async fn screen(
        &self,
        screen: Screen,
        scene: &Scene<'_>,
        fields: &Fields,
    ) -> Result<Option<Page>, AppError> {
        let visit = scene.visit;
        Ok(match screen {
            Screen::Preamble => Some(screens::preamble(scene)),
            Screen::Brands => Some(screens::brands(scene, &self.app.brands(visit), fields.one("q"))),
            Screen::SignIn => visit.make().map(|_| screens::sign_in(scene)),
            Screen::Factor => visit.factor().map(|factor| screens::factor(scene, factor)),
            Screen::Capacity => {
                let cars = self.app.ambiguous_cars(visit).await?;
                cars.first().map(|car| screens::capacity(scene, car))
            }
            Screen::Grant if visit.request.door == Door::Authorize => {
                let offers = self.app.offers(visit).await?;
                (!offers.is_empty()).then(|| screens::grant(scene, &offers))
            }
            Screen::Grant => None,
            Screen::VirtualKey => visit.virtual_key_url().map(|url| screens::virtual_key(scene, &url)),
            Screen::Access => {
                let accesses = self.app.accesses(visit).await?;
                accesses.map(|accesses| screens::access(scene, &accesses))
            }
            Screen::Trouble => visit.trouble().map(|(kind, message)| screens::trouble(scene, kind, message)),
            Screen::Done => visit.ended().map(|ended| {
                let page = Page::of(visit, scene.language, "");
                done::page(&ended, page, scene.language, &where_to_end(scene.language.words(), visit))
            }),
        })
    }

    /// Takes what an owner decided on a screen.
    async fn act(&self, screen: Screen, headers: &HeaderMap, body: &[u8]) -> Response {
        let fields = match std::str::from_utf8(body).ok().and_then(|text| Fields::read(text).ok()) {
            Some(fields) if is_form(headers) && self.is_ours(headers) => fields,
            _ => return self.unknown(headers).into_response(),
        };
        let visit = match self.open(&fields, headers).await {
            Ok(visit) => visit,
            Err(refused) => return refused,
        };
        let motion = self.decide(screen, visit, &fields).await;
        self.follow(motion, screen, headers, &fields).await
    }

    async fn decide(&self, screen: Screen, visit: Visit, fields: &Fields) -> Result<Motion, AppError> {
        let app = &self.app;
        match (screen, fields.one("action")) {
            (Screen::Preamble, action) => {
                let language =
                    Language::of_code(fields.one("language")).unwrap_or(language_of(&visit)).code();
                let country = Some(fields.one("country")).filter(|code| !code.is_empty());
                match action {
                    "language" => app.change_language(visit, country, language).await,
                    _ => app.continue_visit(visit, country, language).await,
                }
            }
            (Screen::Brands, _) => app.choose_brand(visit, fields.one("make")).await,
            (Screen::SignIn, "cancel") => app.cancel_sign_in(visit).await,
            (Screen::SignIn | Screen::Factor | Screen::Capacity | Screen::Grant, "back") => {
                app.go_back(visit).await
            }
            (Screen::SignIn, _) => {
                let password = Zeroizing::new(fields.one("password").to_owned());
                app.sign_in(visit, fields.one("username"), password).await
            }
            (Screen::Factor, _) => app.confirm(visit, fields.one("code")).await,
            (Screen::Capacity, "unknown") => app.skip_capacity(visit).await,
            (Screen::Capacity, _) => {
                app.choose_capacity(visit, fields.one("vin"), fields.one("capacity").parse().ok()).await
            }
            (Screen::Grant, "approve") => {
                let places: Vec<usize> =
                    fields.all("vehicle").filter_map(|place| place.parse().ok()).collect();
                let left_in: PermissionSet =
                    fields.all("permission").filter_map(|name| name.parse().ok()).collect();
                app.approve(visit, &places, left_in).await
            }
            (Screen::Grant, "refuse") => app.refuse(visit).await,
            (Screen::VirtualKey, _) => app.leave_key(visit).await,
            (Screen::Access, "") => app.end_access(visit, fields.one("vehicle").parse().ok()).await,
            (Screen::Trouble, action) => app.leave_trouble(visit, action == "share").await,
            // Nobody agrees by a form that does not say so.
            (Screen::Grant | Screen::Access | Screen::Done, _) => app.skipped(visit).await,
        }
    }

    /// Leads an owner on from a screen.
    async fn follow(
        &self,
        motion: Result<Motion, AppError>,
        from: Screen,
        headers: &HeaderMap,
        fields: &Fields,
    ) -> Response {
        match motion {
            Ok(Motion::To(screen, sealed)) => see_other(&path_in(screen, &sealed)),
            Ok(Motion::Away(to)) => see_other(&to),
            Err(error) => self.broken(&error, from, headers, fields).await,
        }
    }

    /// Something failed on this side: the owner can try the screen again, or go back to the application.
    async fn broken(
        &self,
        error: &AppError,
        screen: Screen,
        headers: &HeaderMap,
        fields: &Fields,
    ) -> Response {
        let Ok(visit) = self.open(fields, headers).await else {
            return self.failed(error, preferred(headers));
        };
        let language = language_of(&visit);
        let status = status_of(error);
        let Ok((visit, sealed)) = self.app.broken(visit).await else { return self.failed(error, language) };
        let scene = Scene { visit: &visit, sealed: &sealed, language };
        Page { status, ..screens::broken(&scene, &path_in(screen, fields.one("visit"))) }.into_response()
    }

    async fn open(&self, fields: &Fields, headers: &HeaderMap) -> Result<Visit, Response> {
        let opened = self.app.open_visit(fields.one("visit"), self.cookie(headers)).await;
        opened.map_err(|refused| {
            let language = preferred(headers);
            let words = language.words();
            let (status, title, text) = match refused {
                VisitRefused::Unknown => return self.unknown(headers).into_response(),
                VisitRefused::AnotherBrowser => {
                    (StatusCode::FORBIDDEN, words.another_browser, words.another_browser_text)
                }
                VisitRefused::Over => (StatusCode::GONE, words.over, words.over_text),
                VisitRefused::App(error) => return self.failed(&error, language),
            };
            let page = Page::apart(status, language, title);
            page.with(format!("<p class=\"lead\">{}</p>\n", Text(text))).into_response()
        })
    }

    fn bad_link(&self, problem: PageProblem, language: Language) -> Page {
        let words = language.words();
        Page::apart(StatusCode::BAD_REQUEST, language, words.bad_link).with(format!(
            "<p class=\"lead\">{}</p>\n<p class=\"hint\">{}: <span lang=\"en\">{}</span>.</p>\n",
            Text(words.bad_link_text),
            Text(words.for_developers),
            Text(words::problem(problem))
        ))
    }

    fn unknown(&self, headers: &HeaderMap) -> Page {
        let language = preferred(headers);
        let words = language.words();
        Page::apart(StatusCode::BAD_REQUEST, language, words.bad_link)
            .with(format!("<p class=\"lead\">{}</p>\n", Text(words.bad_link_text)))
    }

    /// Something failed on this side where no visit is known; the owner can load the page again.
    fn failed(&self, error: &AppError, language: Language) -> Response {
        let words = language.words();
        let page = Page::apart(status_of(error), language, words.internal);
        page.with(format!("<p class=\"lead\">{}</p>\n", Text(words.internal_text))).into_response()
    }

    /// Whether a browser sends a form from a page of ours, as far as it says. Pages that send no referrer have the
    /// origin `null`; `Sec-Fetch-Site` speaks for them where there is one, and the visit and its cookie in any case.
    fn is_ours(&self, headers: &HeaderMap) -> bool {
        let get = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or("?"));
        if let Some(site) = get(HeaderName::from_static("sec-fetch-site")) {
            return matches!(site, "same-origin" | "none");
        }
        let Some(origin) = get(header::ORIGIN) else { return true };
        let host = origin.split_once("://").map(|(_, host)| host);
        origin == "null"
            || origin == mount::host_of(&self.app.settings().origin)
            || (host.is_some() && host == get(header::HOST))
    }

    fn cookie_name(&self) -> &'static str {
        if self.over_tls { COOKIE_OVER_TLS } else { COOKIE }
    }

    fn cookie<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| name.trim() == self.cookie_name()).map(|(_, value)| value.trim())
    }

    fn set_cookie(&self, cookie: &str) -> HeaderValue {
        let (name, secure) = (self.cookie_name(), if self.over_tls { "; Secure" } else { "" });
        let value = format!("{name}={cookie}; Path=/; Max-Age={COOKIE_LIFE}{secure}; HttpOnly; SameSite=Lax");
        HeaderValue::from_str(&value).expect("the cookie is made of hexadecimal digits")
    }
}

/// The fields of a query or a form.
struct Fields(Vec<(String, String)>);

/// The most fields that a form of ours has: an account of 999 cars, and all permissions.
const MOST_FIELDS: usize = 1_100;

impl Fields {
    fn read(text: &str) -> Result<Self, form::MalformedForm> {
        let pairs = form::read(text)?;
        if pairs.len() > MOST_FIELDS { Err(form::MalformedForm) } else { Ok(Self(pairs)) }
    }

    /// The first value under a name; empty when there is none.
    fn one(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn preferred(headers: &HeaderMap) -> Language {
    Language::preferred(Some(languages(headers)))
}

/// What the browser says of the languages that it prefers.
fn languages(headers: &HeaderMap) -> &str {
    let value = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

fn language_of(visit: &Visit) -> Language {
    Language::of_code(visit.language()).unwrap_or(Language::English)
}
