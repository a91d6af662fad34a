//! `/docs/errors/…`: the catalogue of errors, one page per type. Links in payloads lead here.

use std::fmt::Write as _;

use domain::errors::ErrorCode;

use super::html::{self, Text};
use crate::catalogue::advice;

/// The page of a type: `vehicle-state-errors`.
pub(super) fn page(name: &str) -> Option<String> {
    let errors: Vec<_> =
        ErrorCode::all().filter(|error| page_path(*error).ends_with(&format!("/{name}"))).collect();
    let kind = errors.first()?.kind();
    let mut main = String::new();
    for error in errors {
        section(&mut main, error);
    }
    Some(html::page(&format!("{kind} errors"), &main))
}

/// There is no such type.
pub(super) fn unknown() -> String {
    html::page(
        "No such errors",
        "<p>No type of errors has this name. <a href=\"/docs/errors\">All types</a></p>\n",
    )
}

fn section(main: &mut String, error: ErrorCode) {
    let anchor = error.doc_path().split_once('#').map_or("", |(_, anchor)| anchor);
    let (code, status) = (Text(error.code().unwrap_or("null")), error.status());
    write_line(
        main,
        format_args!("<section id=\"{anchor}\">\n<h2><a href=\"#{anchor}\"><code>{code}</code></a></h2>"),
    );
    write_line(main, format_args!("<p>{}</p>\n<dl>", Text(error.description())));
    write_line(main, format_args!("<dt>HTTP status</dt><dd>{status}</dd>"));
    write_line(main, format_args!("<dt>What to do</dt><dd>{}</dd>", Text(advice(error))));
    let resolution = error.resolution().as_str().unwrap_or("null");
    write_line(main, format_args!("<dt>Resolution</dt><dd><code>{resolution}</code></dd>"));
    if let Some(message) = error.user_message() {
        write_line(main, format_args!("<dt>What to tell the owner</dt><dd>{}</dd>", Text(message)));
    }
    let passes = if error.passes() { "yes, ask again later" } else { "no" };
    write_line(main, format_args!("<dt>Passes by itself</dt><dd>{passes}</dd>\n</dl>\n</section>"));
}

fn page_path(error: ErrorCode) -> &'static str {
    error.doc_path().split('#').next().unwrap_or_default()
}

fn write_line(main: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(main, "{line}").expect("text takes all text");
}
