//! Pages of `docs/` that are written by hand, as HTML: `/docs/receivers`. The files are part of the binary, so a server says
//! what its own version does. (The pages of the catalogue are made from its tables.)

use std::sync::LazyLock;

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html::push_html};

use super::html;

/// A page that is written by hand.
pub(super) struct Guide {
    /// The last part of its path.
    pub(super) name: &'static str,
    /// Its title and its name in lists.
    pub(super) title: &'static str,
    /// What it is about, for lists.
    pub(super) about: &'static str,
    text: &'static str,
}

/// All of them, in the order of lists.
pub(super) const GUIDES: &[Guide] = &[
    Guide {
        name: "receivers",
        title: "Receivers",
        about: "How to receive webhooks: verification, signatures, retries, with code in six languages.",
        text: include_str!("../../../../docs/receivers.md"),
    },
    Guide {
        name: "readings",
        title: "Readings",
        about: "How readings are pushed, what the answer says, and which reading counts.",
        text: include_str!("../../../../docs/readings.md"),
    },
    Guide {
        name: "recordings",
        title: "Recordings",
        about: "How recorded trips are replayed, and the column map for their files.",
        text: include_str!("../../../../docs/recordings.md"),
    },
    Guide {
        name: "sdks",
        title: "SDKs",
        about: "Which variables lead the official SDKs to this server.",
        text: include_str!("../../../../docs/sdks.md"),
    },
    Guide {
        name: "authorization",
        title: "Authorization",
        about: "What is refused between owners and applications, and the test for each rule.",
        text: include_str!("../../../../docs/authorization.md"),
    },
    Guide {
        name: "backup",
        title: "Backup and restore",
        about: "For operators: how data and keys are copied and brought back.",
        text: include_str!("../../../../docs/backup.md"),
    },
];

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
        GUIDES.iter().map(|guide| (guide.name, html::page(guide.title, &as_html(guide.text)))).collect()
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
        .replace("<table>", "<div class=\"scrolls\" tabindex=\"0\"><table>")
        .replace("</table>", "</table></div>")
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
        let text = GUIDES.iter().find(|guide| guide.name == "receivers").unwrap().text;
        for (name, program) in SAMPLES {
            assert!(
                text.contains(program.trim_end()),
                "{name} in docs/receivers.md is another than in docs/receivers"
            );
        }
    }

    /// What is written in `docs/` for contributors only.
    const NOT_SERVED: &[&str] = &["soak.md"];

    #[test]
    fn every_page_of_docs_is_served_and_listed_with_its_title() {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
        let mut served = 0;
        for entry in std::fs::read_dir(docs).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            let Some(name) = file.strip_suffix(".md").filter(|_| !NOT_SERVED.contains(&&*file)) else { continue };
            let path = format!("/docs/{name}");
            let listed = crate::pages::listed();
            let (_, title, _) = listed.iter().find(|(of, ..)| *of == path).unwrap_or_else(|| panic!("{path}"));
            let text = std::fs::read_to_string(format!("{docs}/{file}")).unwrap();
            assert!(!title.is_empty() && text.starts_with("# "), "{file}");
            served += 1;
        }
        assert!(served >= 10, "{served}");
    }

    /// Each `docs/NAME` in the sources of the program.
    fn mentions(folder: &std::path::Path, found: &mut std::collections::BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                mentions(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "toml") {
                let text = std::fs::read_to_string(&path).unwrap();
                for (at, _) in text.match_indices("docs/") {
                    let name: String =
                        text[at + 5..].chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
                    found.insert(name);
                }
            }
        }
    }

    #[test]
    fn every_page_that_the_program_mentions_is_served() {
        let mut found = std::collections::BTreeSet::new();
        for name in ["app", "domain", "egress", "server", "sources", "web"] {
            let folder = format!("{}/../{name}/src", env!("CARGO_MANIFEST_DIR"));
            mentions(std::path::Path::new(&folder), &mut found);
        }
        // Folders, a placeholder, and names of files that tests look for or expect to miss.
        for other in ["", "adr", "x", "receivers", "NAME", "soak"] {
            found.remove(other);
        }
        let listed = crate::pages::listed();
        for name in &found {
            assert!(listed.iter().any(|(path, ..)| *path == format!("/docs/{name}")), "docs/{name}");
        }
        assert!(found.len() >= 8, "{found:?}");
    }

    #[test]
    fn links_to_anchors_of_the_page_lead_somewhere() {
        for Guide { name, .. } in GUIDES {
            let page = page(name).unwrap();
            for (at, start) in page.match_indices("href=\"#") {
                let anchor = page[at + start.len()..].split('"').next().unwrap();
                assert!(page.contains(&format!("id=\"{anchor}\"")), "#{anchor} of {name}");
            }
        }
    }
}
