//! `/docs`: a list of all pages.

use super::{
    html::{self, Text},
    listed,
};

pub(super) fn page() -> String {
    html::page("Docs", &format!("<dl>\n{}</dl>\n", rows()))
}

/// Each page under `/docs` with what it is about.
pub(super) fn rows() -> String {
    let row = |(path, title, about): (String, &str, &str)| {
        format!("<dt><a href=\"{path}\">{}</a></dt><dd>{}</dd>\n", Text(title), Text(about))
    };
    listed().into_iter().map(row).collect()
}
