//! The page that ends a visit where the application gave no address: it says what came of it, to people in words, and
//! by a script to the window or the app that opened the visit.

use app::Ended;
use serde_json::{Map, Value, json};

use super::{
    page::{Page, for_developers},
    words::Language,
};
use crate::pages::html::Text;

/// The members of the message by the names of the redirect.
const MEMBERS: &[(&str, &str)] = &[
    ("code", "code"),
    ("error", "error"),
    ("error_description", "errorDescription"),
    ("state", "state"),
    ("vin", "vin"),
    ("make", "make"),
    ("model", "model"),
    ("year", "year"),
    ("virtual_key_url", "virtualKeyUrl"),
    ("user_id", "userId"),
    ("external_id", "externalId"),
    ("vehicle_id", "vehicleId"),
    ("status_code", "statusCode"),
    ("error_message", "errorMessage"),
];

/// What people who build the application can read on the page when it failed, in the words of the redirect.
const ABOUT_ERRORS: &[&str] = &["error", "error_description", "status_code", "error_message"];

/// The page. `where_to_end` is markup about what was given; nothing was where it failed.
pub(super) fn page(ended: &Ended, page: Page, language: Language, where_to_end: &str) -> Page {
    let words = language.words();
    let failed = ended.told.iter().any(|(name, _)| name == "error");
    let (title, text) = match failed {
        true => (words.not_done, words.not_done_text),
        false => (words.done, words.done_text),
    };
    let message = message(ended).to_string();
    let opener = match &ended.opener {
        Some(origin) => format!(" data-opener=\"{}\"", Text(origin)),
        None => String::new(),
    };
    let shown = ended.told.iter().filter(|(name, _)| ABOUT_ERRORS.contains(&name.as_str()));
    let rows: String =
        shown.map(|(name, value)| format!("<dt>{}</dt><dd>{}</dd>\n", Text(name), Text(value))).collect();
    let raw = match rows.is_empty() {
        true => rows,
        false => for_developers(words, &format!("<dl lang=\"en\">\n{rows}</dl>\n")),
    };
    let hint = match where_to_end {
        given if !failed && !given.is_empty() => format!("<p class=\"hint\">{given}</p>\n"),
        _ => String::new(),
    };
    let main = format!(
        "<p class=\"lead\">{}</p>\n{hint}{raw}<div id=\"result\" hidden{opener} data-message=\"{}\"></div>\n",
        Text(text.replace("{app}", &ended.application)),
        Text(&message),
    );
    Page { title: title.to_owned(), main, ..page }.with_script()
}

/// What the window is told that opened the visit.
fn message(ended: &Ended) -> Value {
    let mut message = Map::new();
    message.insert("name".into(), json!("SmartcarAuthMessage"));
    message.insert("isSmartcarHosted".into(), json!(true));
    for (name, member) in MEMBERS {
        if let Some((_, value)) = ended.told.iter().find(|(known, _)| known == name) {
            message.insert((*member).into(), json!(value));
        }
    }
    Value::Object(message)
}
