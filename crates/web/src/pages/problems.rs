//! `/docs/problems`: what the codes of the admin API's problems mean. The member `type` of a problem leads here.

use std::fmt::Write as _;

use super::html::{self, Text};
use crate::problem::KINDS;

pub(super) fn page() -> String {
    let mut main = String::from(
        "<p>When the admin API does not do what it was asked, it answers with a problem (RFC 9457). Its member \
         <code>code</code> is one of these.</p>\n",
    );
    for kind in KINDS {
        let (code, status) = (kind.code, kind.status.as_u16());
        let (title, advice) = (Text(kind.title), Text(kind.advice));
        writeln!(
            main,
            "<section id=\"{code}\">\n<h2><a href=\"#{code}\"><code>{code}</code></a></h2>\n<p>{title} ({status}). \
             {advice}</p>\n</section>"
        )
        .expect("text takes all text");
    }
    html::page("Problems", &main)
}
