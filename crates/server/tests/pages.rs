//! The pages under `/docs` in a real browser: readable for everybody, searchable by keyboard, with script and without.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set has failed")]

mod browser;
mod common;

use browser::{Browser, Looks};
use common::Server;
use serde_json::json;

const PAGES: &[&str] = &[
    "/",
    "/docs/signals",
    "/docs/endpoints",
    "/docs/permissions",
    "/docs/errors",
    "/docs/problems",
    "/docs",
    "/docs/receivers",
    "/docs/readings",
    "/docs/recordings",
    "/docs/sdks",
    "/docs/authorization",
    "/docs/backup",
    "/docs/errors/vehicle-state-errors",
];

/// The rows that are shown.
const SHOWN: &str =
    "return [...document.querySelectorAll('.rows tbody tr')].filter((row) => row.checkVisibility()).length";

#[tokio::test]
async fn pages_have_no_barriers_and_fit_screens_of_any_size_and_colour() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    for looks in [Looks::default(), Looks { phone: true, ..Looks::default() }] {
        let browser = Browser::start(looks).await;
        for dark in [false, true] {
            browser.dark(dark).await;
            for path in PAGES {
                browser.go(&format!("{}{path}", server.url)).await;
                assert_eq!(browser.barriers().await, Vec::<String>::new(), "{path} dark={dark}");
                assert!(browser.overflow().await <= 0, "{path} is wider than the screen");
            }
        }
        assert_eq!(browser.console().await, Vec::<String>::new());
        browser.end().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn rows_are_filtered_while_one_types_and_the_keyboard_leads_to_the_search() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    let browser = Browser::start(Looks::default()).await;
    browser.go(&format!("{}/docs/signals", server.url)).await;
    let shown = async || browser.run(SHOWN, json!([])).await;
    assert_eq!(shown().await, 93);
    browser.press("/").await;
    assert_eq!(browser.run("return document.activeElement.id", json!([])).await, "q");
    browser.press("state of charge").await;
    assert_eq!(shown().await, 2);
    assert!(browser.text().await.contains("2 signals"));
    browser.press("\u{e00c}").await;
    assert_eq!(shown().await, 93);
    browser.end().await;
    server.stop().await;
}

#[tokio::test]
async fn the_search_works_without_script_and_a_row_can_be_linked() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    let browser = Browser::start(Looks { without_script: true, ..Looks::default() }).await;
    browser.go(&format!("{}/docs/errors", server.url)).await;
    browser.write("#q", "asleep").await;
    browser.click(".search button").await;
    assert!(browser.location().await.ends_with("/docs/errors?q=asleep"));
    browser.shows("#vehicle_state-asleep").await;
    assert!(!browser.is_there("#billing-invalid_plan").await);
    browser.go(&format!("{}/docs/signals#odometer-traveleddistance", server.url)).await;
    browser.shows("tr:target").await;
    browser.end().await;
    server.stop().await;
}
