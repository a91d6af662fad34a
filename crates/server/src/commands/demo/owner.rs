//! An owner of the demo: goes through the pages of Connect over HTTP, form by form, as a browser without scripts would, and
//! lets the application redeem what comes of it.

use anyhow::{Context, Result, bail, ensure};
use domain::connect::{Permission, PermissionSet};
use hyper::Method;
use lab::client::{HttpAnswer, HttpClient};
use url::{Url, form_urlencoded};

/// What the link of the demo asks an owner for: little enough to be read.
const ASKED_BY_LINK: &str =
    "read_vehicle_info read_odometer read_location read_battery read_charge read_security";
/// Screens that a visit may have.
const MOST_SCREENS: usize = 12;

/// What an owner signs in with at a brand.
pub(super) struct SignIn<'a> {
    pub make: &'a str,
    pub username: &'a str,
    pub password: &'a str,
}

/// The application as its owners meet it.
pub(super) struct Door {
    server: HttpClient,
    origin: String,
    client_id: String,
    client_secret: String,
    redirect_uri: String,
}

impl Door {
    pub(super) fn new(
        origin: &str,
        client_id: String,
        client_secret: String,
        redirect_uri: String,
    ) -> Result<Self> {
        let server = HttpClient::new(origin)?;
        Ok(Self { server, origin: origin.to_owned(), client_id, client_secret, redirect_uri })
    }

    /// A link that somebody may open in a browser. It ends on a page of its own.
    pub(super) fn link(&self) -> String {
        format!("{}{}", self.origin, self.begin(ASKED_BY_LINK, &[("response_type", "none")]))
    }

    fn begin(&self, scope: &str, more: &[(&str, &str)]) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("client_id", &*self.client_id), ("mode", "simulated"), ("scope", scope)])
            .extend_pairs(more)
            .finish();
        format!("/oauth/authorize?{query}")
    }

    /// Links what an owner has at a brand; the ids of the vehicles.
    pub(super) async fn link_vehicles(&self, sign_in: &SignIn<'_>) -> Result<Vec<String>> {
        let code =
            self.consent(sign_in).await.with_context(|| format!("{} could not be linked", sign_in.make))?;
        let token = self.redeem(&code).await?;
        let answer = self.server.bearer(&token)?.get("/v2.0/vehicles?limit=50").await?;
        let vehicles = answer.json()["vehicles"].take();
        serde_json::from_value(vehicles).with_context(|| format!("no vehicles: {}", answer.text()))
    }

    /// From the first page to the code.
    async fn consent(&self, sign_in: &SignIn<'_>) -> Result<String> {
        let everything: Vec<&str> = PermissionSet::ALL.iter().map(Permission::as_str).collect();
        let back = [("response_type", "code"), ("redirect_uri", &*self.redirect_uri)];
        let begin = self.begin(&everything.join(" "), &back);
        let mut shown = self.server.get(&begin).await?;
        let cookie = shown.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        let cookie = cookie.context("a visit begins with a cookie")?;
        let browser = self.server.with_header("cookie", cookie)?.with_header("origin", &self.origin)?;
        let mut path = "/connect/start".to_owned();
        for _ in 0..MOST_SCREENS {
            let form = filled(&path, &shown.text(), sign_in)?;
            let answer = browser.post_form(&path, &form).await?;
            let to = led_to(&answer).with_context(|| format!("{path} answered {}", answer.status))?;
            if let Some(code) = code_of(to) {
                return Ok(code);
            }
            ensure!(to.starts_with("/connect/"), "the visit ended at {to}");
            path = to.split('?').next().unwrap_or(to).to_owned();
            shown = browser.send(Method::GET, to, None, Default::default()).await?;
        }
        bail!("the visit did not end")
    }

    async fn redeem(&self, code: &str) -> Result<String> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("client_id", &self.client_id)
            .append_pair("client_secret", &self.client_secret)
            .finish();
        let answer = self.server.post_form("/oauth/token", &form).await?;
        let token = answer.json()["access_token"].as_str().map(str::to_owned);
        token.with_context(|| format!("the code was not redeemed: {}", answer.text()))
    }
}

fn led_to(answer: &HttpAnswer) -> Option<&str> {
    answer.header("location")
}

fn code_of(to: &str) -> Option<String> {
    let to = Url::parse(to).ok()?;
    to.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned())
}

/// A form as an owner who agrees to everything sends it: what the page has chosen, and what is typed.
fn filled(path: &str, page: &str, sign_in: &SignIn<'_>) -> Result<String> {
    let typed: &[(&str, &str)] = match path {
        "/connect/start" => &[("action", "continue")],
        "/connect/brands" => &[("make", sign_in.make)],
        "/connect/sign-in" => {
            &[("username", sign_in.username), ("password", sign_in.password), ("action", "sign-in")]
        }
        // Any code of the right length is that of a simulated brand.
        "/connect/code" if page.contains("maxlength=\"4\"") => &[("code", "1234"), ("action", "confirm")],
        "/connect/code" => &[("code", "123456"), ("action", "confirm")],
        "/connect/battery" => &[("action", "unknown")],
        "/connect/permissions" => &[("action", "approve")],
        _ => bail!("{path} is not a screen that an owner of the demo knows"),
    };
    let chosen = inputs(page).filter(|input| input.chosen && path_takes(path, input.name));
    let mut form = form_urlencoded::Serializer::new(String::new());
    for input in chosen {
        form.append_pair(input.name, input.value);
    }
    Ok(form.extend_pairs(typed).finish())
}

/// A page has several forms; each screen takes its own fields.
fn path_takes(path: &str, field: &str) -> bool {
    field == "visit"
        || matches!(
            (path, field),
            ("/connect/permissions", "vehicle" | "permission") | ("/connect/battery", "vin")
        )
}

struct Input<'a> {
    name: &'a str,
    value: &'a str,
    /// Hidden, or chosen already.
    chosen: bool,
}

/// The inputs of a page. The pages are ours: attributes are in double quotes.
fn inputs(page: &str) -> impl Iterator<Item = Input<'_>> {
    let mut visit_seen = false;
    page.split("<input ").skip(1).filter_map(move |rest| {
        let tag = rest.split('>').next()?;
        let attribute = |name: &str| tag.split_once(&format!("{name}=\""))?.1.split('"').next();
        let (name, value) = (attribute("name")?, attribute("value")?);
        // Every form of a page carries the same visit.
        let again = name == "visit" && std::mem::replace(&mut visit_seen, true);
        let chosen = attribute("type") == Some("hidden") || tag.contains(" checked");
        (!again).then_some(Input { name, value, chosen })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_sends_what_the_page_has_chosen_and_what_is_typed() {
        let page = r#"<form><input type="hidden" name="visit" value="abc">
            <label><input type="checkbox" name="vehicle" value="0" checked> One</label>
            <label><input type="checkbox" name="vehicle" value="1"> Two</label>
            <input type="checkbox" name="permission" value="read_vin" checked></form>
            <form><input type="hidden" name="visit" value="abc"></form>"#;
        let sign_in = SignIn { make: "BMW", username: "jo@example.com", password: "a b" };
        let filled = |path| filled(path, page, &sign_in).unwrap();
        assert_eq!(filled("/connect/permissions"), "visit=abc&vehicle=0&permission=read_vin&action=approve");
        assert_eq!(filled("/connect/brands"), "visit=abc&make=BMW");
        assert_eq!(
            filled("/connect/sign-in"),
            "visit=abc&username=jo%40example.com&password=a+b&action=sign-in"
        );
        assert_eq!(code_of("http://localhost:1/linked?code=c%201&state=x").as_deref(), Some("c 1"));
    }
}
