//! The frame of all pages, and text that is safe in it.

use std::fmt::{self, Display, Write as _};

use super::{SCRIPT_PATH, STYLE_PATH};

/// Text in which nothing is markup.
pub(crate) struct Text<T>(pub(crate) T);

impl<T: Display> Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| match character {
            '&' => self.0.write_str("&amp;"),
            '<' => self.0.write_str("&lt;"),
            '>' => self.0.write_str("&gt;"),
            '"' => self.0.write_str("&quot;"),
            '\'' => self.0.write_str("&#39;"),
            other => self.0.write_char(other),
        })
    }
}

/// A page of text around its main part.
pub(super) fn page(title: &str, main: &str) -> String {
    framed(title, main, "", "")
}

/// A page of rows that can be searched.
pub(super) fn searchable(title: &str, main: &str) -> String {
    let script = format!("<script type=\"module\" src=\"{SCRIPT_PATH}\"></script>\n");
    framed(title, main, &script, " class=\"wide\"")
}

/// The pages of the navigation.
const NAVIGATION: &[(&str, &str)] = &[
    ("/docs/signals", "Signals"),
    ("/docs/endpoints", "Endpoints"),
    ("/docs/permissions", "Permissions"),
    ("/docs/errors", "Errors"),
    ("/docs/problems", "Problems"),
    ("/docs/receivers", "Receivers"),
    ("/docs", "Docs"),
];

fn framed(title: &str, main: &str, script: &str, body: &str) -> String {
    let link = |(path, name): &(&str, &str)| match *name == title {
        true => format!("<a href=\"{path}\" aria-current=\"page\">{name}</a>\n"),
        false => format!("<a href=\"{path}\">{name}</a>\n"),
    };
    let links: String = NAVIGATION.iter().map(link).collect();
    let title = Text(title);
    format!(
        r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} – Milepost</title>
<link rel="stylesheet" href="{STYLE_PATH}">
{script}</head>
<body{body}>
<a class="skip" href="#main">To the content</a>
<header><nav aria-label="Milepost"><a href="/">Milepost</a>
{links}</nav></header>
<main id="main">
<h1>{title}</h1>
{main}</main>
</body>
</html>
"##
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_markup() {
        let hostile = r#"<img src=x onerror="alert('1')">&amp;"#;
        assert_eq!(
            Text(hostile).to_string(),
            "&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;amp;"
        );
    }
}
