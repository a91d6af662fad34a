//! The frame of Connect's pages, their headers, and the small parts that several have.

use app::Visit;
use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use domain::connect::{
    authorize::{Destination, Door},
    form,
};

use super::words::{Language, Words};
use crate::pages::html::Text;

/// The door to the owner's own page.
pub(super) const ACCESS_PATH: &str = "/connect/access";
pub(super) const STYLE_PATH: &str = "/assets/connect.css";
pub(super) const SCRIPT_PATH: &str = "/assets/connect.js";

/// A page that is to be shown.
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) language: Language,
    pub(super) title: String,
    /// What stands above the page: who asks. Empty where nobody is known.
    pub(super) application: String,
    /// Which of the three steps this is, for the line on top; 0 for none.
    pub(super) step: u8,
    pub(super) main: String,
    /// Whether the page has use for a script. It works without.
    pub(super) script: bool,
    /// Whether forms of the page may lead to the application in the end.
    pub(super) leads_away: bool,
}

impl Page {
    /// A page of a visit.
    pub(super) fn of(visit: &Visit, language: Language, title: &str) -> Self {
        Self {
            status: StatusCode::OK,
            language,
            title: named(title, visit),
            application: visit.application.application.name.clone(),
            step: 0,
            main: String::new(),
            script: false,
            leads_away: matches!(visit.request.to, Destination::Redirect(_)),
        }
    }

    /// A page of no visit that could be opened.
    pub(super) fn apart(status: StatusCode, language: Language, title: &str) -> Self {
        Self {
            status,
            language,
            title: title.to_owned(),
            application: String::new(),
            step: 0,
            main: String::new(),
            script: false,
            leads_away: false,
        }
    }

    pub(super) fn step(self, step: u8) -> Self {
        Self { step, ..self }
    }

    pub(super) fn with(self, main: String) -> Self {
        Self { main, ..self }
    }

    pub(super) fn with_script(self) -> Self {
        Self { script: true, ..self }
    }

    fn html(&self) -> String {
        let Self { language, title, application, main, .. } = self;
        let (code, title) = (language.code(), Text(title));
        let script = match self.script {
            true => format!("<script type=\"module\" src=\"{SCRIPT_PATH}\"></script>\n"),
            false => String::new(),
        };
        let who = match application.is_empty() {
            true => String::new(),
            false => format!("<p class=\"who\">{}</p>\n", Text(application)),
        };
        let step = self.steps();
        format!(
            r#"<!doctype html>
<html lang="{code}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="stylesheet" href="{STYLE_PATH}">
{script}</head>
<body>
<header>
{who}{step}</header>
<main class="page-content">
<h1>{title}</h1>
{main}</main>
</body>
</html>
"#
        )
    }

    fn steps(&self) -> String {
        if self.step == 0 {
            return String::new();
        }
        let bar = |place: u8| if place <= self.step { "<i class=\"on\"></i>" } else { "<i></i>" };
        let bars: String = (1..=3).map(bar).collect();
        format!("<p class=\"steps\" aria-hidden=\"true\">{bars}</p>\n")
    }

    /// What a browser may do with the page.
    ///
    /// A page whose forms may lead to the application says nothing of `form-action`. Browsers hold every redirect that
    /// follows a form against it, also those of others, and where the application sends the owner on from its callback is its own
    /// affair: a list that ended with the callback would strand the owner there. What `form-action` would be for is out of reach
    /// without it, too: all that comes into a page from elsewhere is written as text, and the paths of its forms are our own.
    ///
    /// The window that opened a visit waits for word from it, perhaps from the page that the visit redirects to, so the two
    /// must not be parted by `Cross-Origin-Opener-Policy`.
    fn policy(&self) -> String {
        let script = if self.script { "script-src 'self'; " } else { "" };
        let forms = if self.leads_away { "" } else { "form-action 'self'; " };
        format!(
            "default-src 'none'; style-src 'self'; {script}base-uri 'none'; {forms}frame-ancestors 'none'"
        )
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = (self.status, Html(self.html())).into_response();
        let policy = HeaderValue::from_str(&self.policy()).expect("a policy is made of ASCII");
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        guarded(response)
    }
}

/// The headers that every answer of Connect has.
pub(super) fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "unsafe-none"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A redirect that a browser follows with GET, whatever it came from.
pub(super) fn see_other(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(to) => guarded((StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()),
        Err(_) => guarded(StatusCode::BAD_REQUEST.into_response()),
    }
}

/// A text with the names that it speaks of, as text.
pub(super) fn named(text: &str, visit: &Visit) -> String {
    let make = visit.make().map(brand_name).unwrap_or_default();
    // The application is named last: what its name has in it is not looked at again.
    text.replace("{make}", &make).replace("{app}", &visit.application.application.name)
}

/// A text with the names that it speaks of, as markup.
pub(super) fn written(text: &str, visit: &Visit) -> String {
    Text(named(text, visit)).to_string()
}

/// A brand as it is written among people: `Land Rover`, `BMW`.
pub(super) fn brand_name(make: &str) -> String {
    const LETTERS: &[&str] = &["BMW", "BYD", "DS", "GMC", "MG", "RAM"];
    match make {
        "MINI" => "Mini".into(),
        letters if LETTERS.contains(&letters) => letters.into(),
        words => {
            let mut begins = true;
            let letter = |c: char| {
                let shown = if begins { c } else { c.to_ascii_lowercase() };
                begins = !c.is_ascii_alphanumeric();
                shown
            };
            words.chars().map(letter).collect()
        }
    }
}

/// The hidden field that carries a visit through a form.
pub(super) fn carried(sealed: &str) -> String {
    format!("<input type=\"hidden\" name=\"visit\" value=\"{}\">", Text(sealed))
}

/// What a page has to say first.
pub(super) fn noted(note: &str) -> String {
    match note {
        "" => String::new(),
        note => format!("<p class=\"note\" role=\"alert\">{}</p>\n", Text(note)),
    }
}

/// Markup for the people who build the application, out of the owner's way.
pub(super) fn for_developers(words: &Words, markup: &str) -> String {
    format!("<details>\n<summary>{}</summary>\n{markup}</details>\n", Text(words.for_developers))
}

/// A sentence that leads to the page on which the owner sees what the application has access to, and ends it.
pub(super) fn where_to_end(words: &Words, visit: &Visit) -> String {
    let client = visit.application.application.id.to_string();
    let known = [("client_id", client.as_str()), ("mode", visit.request.mode.as_str())];
    format!(
        "{} <a href=\"{}\">{}</a>",
        written(words.ends_at, visit),
        Text(form::with_query(ACCESS_PATH, known)),
        written(words.access, visit)
    )
}

/// The button that leads back to the application. The owner's own page has none: it was not the application's idea.
pub(super) fn back(words: &Words, visit: &Visit) -> String {
    if visit.request.door == Door::Access {
        return String::new();
    }
    format!(
        "<p class=\"back\"><button type=\"submit\" name=\"action\" value=\"back\" class=\"link\" formnovalidate>{}</button></p>\n",
        written(words.back, visit)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brands_are_written_as_people_do() {
        for (make, name) in [
            ("LAND ROVER", "Land Rover"),
            ("MERCEDES-BENZ", "Mercedes-Benz"),
            ("BMW", "BMW"),
            ("CHEVROLET", "Chevrolet"),
        ] {
            assert_eq!(brand_name(make), name);
        }
    }
}
