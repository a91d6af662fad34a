//! Pages of `docs/` that are written by hand, as HTML: `/docs/receivers`. The files are part of the binary.

use std::sync::LazyLock;

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html::push_html};

use super::html;

/// Name, title and text of each page.
const PAGES: &[(&str, &str, &str)] =
    &[("receivers", "Receivers", include_str!("../../../../docs/receivers.md"))];

/// The programs that the page about receivers shows.
const SAMPLES: &[(&str, &str)] = &[
    ("receiver.py", include_str!("../../../../docs/receivers/receiver.py")),
    ("receiver.mjs", include_str!("../../../../docs/receivers/receiver.mjs")),
    ("Receiver.java", include_str!("../../../../docs/receivers/Receiver.java")),
    ("receiver.rb", include_str!("../../../../docs/receivers/receiver.rb")),
    ("receiver.go", include_str!("../../../../docs/receivers/receiver.go")),
    ("receiver.rs", include_str!("../../../../docs/receivers/receiver.rs")),
];

/// A page by its name.
pub(super) fn page(name: &str) -> Option<&'static str> {
    static PAGES_AS_HTML: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| {
        PAGES.iter().map(|&(name, title, text)| (name, html::page(title, &as_html(text)))).collect()
    });
    PAGES_AS_HTML.iter().find(|(known, _)| *known == name).map(|(_, page)| page.as_str())
}

/// A program by the name of its file.
pub(super) fn sample(name: &str) -> Option<&'static str> {
    SAMPLES.iter().find(|(known, _)| *known == name).map(|&(_, text)| text)
}

/// The text below its title, with an anchor for each heading. Links to other files of `docs/` lead to their pages.
fn as_html(markdown: &str) -> String {
    let text = markdown.split_once('\n').map_or("", |(_, rest)| rest);
    let mut events: Vec<Event<'_>> = Parser::new_ext(text, Options::ENABLE_TABLES).collect();
    let mut heading = None;
    for at in 0..events.len() {
        match &events[at] {
            Event::Start(Tag::Heading { .. }) => heading = Some((at, String::new())),
            Event::Text(words) | Event::Code(words) => {
                if let Some((_, title)) = &mut heading {
                    title.push_str(words);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                if let Some((start, title)) = heading.take()
                    && let Event::Start(Tag::Heading { id, .. }) = &mut events[start]
                {
                    *id = Some(CowStr::from(slug(&title)));
                }
            }
            _ => {}
        }
        if let Event::Start(Tag::Link { dest_url, .. }) = &mut events[at]
            && let Some(to) = page_of(dest_url)
        {
            *dest_url = CowStr::from(to);
        }
    }
    let mut page = String::new();
    push_html(&mut page, events.into_iter());
    // What scrolls can be scrolled by keyboard.
    page.replace("<pre>", "<pre tabindex=\"0\">")
}

/// `errors.md#asleep` is `/docs/errors#asleep`; `receivers/receiver.py` is a file below `/docs`.
fn page_of(link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with('#') {
        return None;
    }
    let (file, anchor) = link.split_once('#').map_or((link, ""), |(file, anchor)| (file, anchor));
    let anchor = if anchor.is_empty() { String::new() } else { format!("#{anchor}") };
    Some(format!("/docs/{}{anchor}", file.strip_suffix(".md").unwrap_or(file)))
}

/// As the usual forges make it: `What each generation sends` is `what-each-generation-sends`.
fn slug(title: &str) -> String {
    let letter = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    };
    title.to_lowercase().chars().filter_map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_have_anchors_and_links_lead_to_pages() {
        let html = as_html(
            "# T\n\n## A *b*, c\n\n[e](errors.md#x) [f](receivers/receiver.py) [g](https://a.example)\n",
        );
        assert!(html.contains(r#"<h2 id="a-b-c">"#), "{html}");
        for link in ["/docs/errors#x", "/docs/receivers/receiver.py", "https://a.example"] {
            assert!(html.contains(&format!("href=\"{link}\"")), "{link} in {html}");
        }
    }

    #[test]
    fn each_program_stands_in_the_page_as_it_is() {
        let (_, _, text) = PAGES[0];
        for (name, program) in SAMPLES {
            assert!(
                text.contains(program.trim_end()),
                "{name} in docs/receivers.md is another than in docs/receivers"
            );
        }
    }

    #[test]
    fn links_to_anchors_of_the_page_lead_somewhere() {
        for (name, ..) in PAGES {
            let page = page(name).unwrap();
            for (at, start) in page.match_indices("href=\"#") {
                let anchor = page[at + start.len()..].split('"').next().unwrap();
                assert!(page.contains(&format!("id=\"{anchor}\"")), "#{anchor} of {name}");
            }
        }
    }
}
