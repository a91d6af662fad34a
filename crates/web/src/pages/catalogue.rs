//! `/docs/signals`, `/docs/endpoints`, `/docs/permissions`, `/docs/errors`, `/docs/problems`: tables that can be searched.
//!
//! The search is a form that the server answers. With script, rows are filtered while one types; `/` leads to the field and
//! Escape empties it. Each row has an anchor.

use std::fmt::Write as _;

use domain::compatibility::Model;

use super::html::{self, Text};
use crate::catalogue::{self, CatalogueEndpoint, EndpointFilter, ErrorFilter, SignalFilter, shortened};

/// Names in a list that is shown at once; longer ones can be opened.
const SHORT_LIST: usize = 3;

pub(super) fn signals(models: &[Model], search: &str) -> String {
    let filter = SignalFilter { q: Some(search.to_owned()), ..SignalFilter::default() };
    let rows = catalogue::signals(models, &filter).unwrap_or_default();
    let mut main = head(
        "A signal is one thing that a vehicle can say. Triggers and data of unified webhooks, readings of feeds and payloads \
         use its code.",
        "signals",
        search,
        rows.len(),
    );
    let mut group = "";
    let mut sorted: Vec<_> = rows.iter().collect();
    sorted.sort_by_key(|row| row.group);
    for row in sorted {
        if row.group != group {
            if !group.is_empty() {
                main += END;
            }
            group = row.group;
            write!(
                main,
                "<section class=\"rows signals\">\n<h2 id=\"{0}\"><a href=\"#{0}\">{0}</a></h2>\n",
                Text(group)
            )
            .expect(WRITES);
            main += &columns(&["Signal", "Value", "Permission", "Use", "Vehicles", "v2 endpoints", "Brands"]);
        }
        let unit =
            row.unit.map(|unit| format!(" <span class=\"unit\">{}</span>", Text(unit))).unwrap_or_default();
        let converted = match row.units.len() {
            0 | 1 => String::new(),
            _ => format!("<p class=\"hint\">converts {}</p>", Text(row.units.join(", "))),
        };
        let dead_band = if row.dead_band { "<p class=\"hint\">dead band</p>" } else { "" };
        cells(
            &mut main,
            &row.code,
            &[
                format!("<a href=\"#{0}\"><code>{0}</code></a>{unit}", Text(&row.code)),
                format!(
                    "{}<p class=\"hint\"><code>{}</code></p>{converted}",
                    Text(&row.takes),
                    Text(shortened(&row.example))
                ),
                permission(row.permission),
                if row.trigger { format!("trigger, data{dead_band}") } else { "data".into() },
                Text(row.powertrains.join(" ")).to_string(),
                list(
                    "endpoints",
                    row.endpoints
                        .iter()
                        .map(|path| {
                            format!(
                                "<a href=\"/docs/endpoints#{}\"><code>{}</code></a>",
                                endpoint_id("GET", path),
                                Text(path)
                            )
                        })
                        .collect(),
                ),
                list("brands", row.brands.iter().map(|brand| Text(brand).to_string()).collect()),
            ],
        );
    }
    if !group.is_empty() {
        main += END;
    }
    html::searchable("Signals", &main)
}

pub(super) fn endpoints(models: &[Model], search: &str) -> String {
    let filter = EndpointFilter { q: Some(search.to_owned()), ..EndpointFilter::default() };
    let rows = catalogue::endpoints(models, &filter).unwrap_or_default();
    let mut main = head(
        "Endpoints of the v2 API below /v2.0/vehicles/{id}. Scheduled webhooks carry reads that every brand has.",
        "endpoints",
        search,
        rows.len(),
    );
    type Is = fn(&CatalogueEndpoint) -> bool;
    let kinds: [(&str, &str, Is); 4] = [
        ("reads", "Reads that every brand has", |row| row.method == "GET" && row.brand.is_none()),
        ("commands", "Commands", |row| row.method != "GET" && row.brand.is_none()),
        ("brands", "Reads of one brand", |row| row.method == "GET" && row.brand.is_some()),
        ("brand-commands", "Commands of one brand", |row| row.method != "GET" && row.brand.is_some()),
    ];
    for (id, title, is) in kinds {
        let rows: Vec<_> = rows.iter().filter(|row| is(row)).collect();
        if rows.is_empty() {
            continue;
        }
        write!(
            main,
            "<section class=\"rows endpoints\">\n<h2 id=\"{id}\"><a href=\"#{id}\">{title}</a></h2>\n"
        )
        .expect(WRITES);
        main += &columns(&["Endpoint", "Permission", "Signals", "Units", "Vehicles", "Brands"]);
        for row in rows {
            let id = endpoint_id(row.method, &row.path);
            cells(
                &mut main,
                &id,
                &[
                    format!("<a href=\"#{id}\"><code>{} {}</code></a>", row.method, Text(&row.path)),
                    permission(row.permission),
                    list("signals", row.signals.iter().map(|code| signal(code)).collect()),
                    if row.units { "metric or imperial".into() } else { "–".into() },
                    Text(row.powertrains.join(" ")).to_string(),
                    list("brands", row.brands.iter().map(|brand| Text(brand).to_string()).collect()),
                ],
            );
        }
        main += END;
    }
    html::searchable("Endpoints", &main)
}

pub(super) fn permissions(models: &[Model], search: &str) -> String {
    let rows = catalogue::permissions(models, Some(search));
    let mut main = head(
        "What an owner can grant to an application: the words of a scope, and what each opens.",
        "permissions",
        search,
        rows.len(),
    );
    main += "<section class=\"rows permissions\">\n";
    main += &columns(&["Permission", "How owners are asked", "Signals", "v2 endpoints", "Brands"]);
    for row in rows {
        let endpoints = row.endpoints.iter().map(|endpoint| {
            let (method, path) = endpoint.split_once(' ').unwrap_or(("GET", endpoint));
            format!(
                "<a href=\"/docs/endpoints#{}\"><code>{}</code></a>",
                endpoint_id(method, path),
                Text(endpoint)
            )
        });
        cells(
            &mut main,
            row.name,
            &[
                format!("<a href=\"#{0}\"><code>{0}</code></a>", Text(row.name)),
                Text(row.text).to_string(),
                list("signals", row.signals.iter().map(|code| signal(code)).collect()),
                list("endpoints", endpoints.collect()),
                list("brands", row.brands.iter().map(|brand| Text(brand).to_string()).collect()),
            ],
        );
    }
    main += END;
    html::searchable("Permissions", &main)
}

pub(super) fn errors(search: &str) -> String {
    let filter = ErrorFilter { q: Some(search.to_owned()), ..ErrorFilter::default() };
    let rows = catalogue::errors(&filter).unwrap_or_default();
    let mut main = head(
        "An error is known by its type and code. Payloads of webhooks carry it in place of data that could not be had; answers \
         of the v2 API carry it as their body. Errors of the admin API are problems: see the page of that name.",
        "errors",
        search,
        rows.len(),
    );
    main += "<section class=\"rows errors\">\n";
    main += &columns(&["Type and code", "HTTP", "What happened", "What to do", "Resolution", "Retried"]);
    for row in rows {
        let code = row.code.unwrap_or("null");
        let id = format!("{}-{code}", row.kind).to_lowercase();
        let message = row.user_message.map_or(String::new(), |message| {
            format!("<p class=\"hint\">Tell the owner: {}</p>", Text(message))
        });
        cells(
            &mut main,
            &id,
            &[
                format!(
                    "<a href=\"{}\"><code>{}</code> <code>{}</code></a>",
                    row.page,
                    Text(row.kind),
                    Text(code)
                ),
                row.status.to_string(),
                Text(row.description).to_string(),
                format!("{}{message}", Text(row.advice)),
                format!("<code>{}</code>", Text(row.resolution.unwrap_or("null"))),
                if row.retried { "yes".into() } else { "no".into() },
            ],
        );
    }
    main += END;
    html::searchable("Errors", &main)
}

pub(super) fn problems(search: &str) -> String {
    let rows = catalogue::problems(Some(search));
    let mut main = head(
        "When the admin API or the ingest API does not do what it was asked, it answers with a problem (RFC 9457). Its member \
         code is one of these.",
        "problems",
        search,
        rows.len(),
    );
    main += "<section class=\"rows problems\">\n";
    main += &columns(&["Code", "HTTP", "What happened", "What to do"]);
    for row in rows {
        cells(
            &mut main,
            row.code,
            &[
                format!("<a href=\"#{0}\"><code>{0}</code></a>", row.code),
                row.status.to_string(),
                Text(row.title).to_string(),
                Text(row.advice).to_string(),
            ],
        );
    }
    main += END;
    html::searchable("Problems", &main)
}

const WRITES: &str = "text takes all text";
const END: &str = "</tbody>\n</table>\n</section>\n";

/// What stands above the rows: a sentence, the search and how many rows there are.
fn head(text: &str, noun: &str, search: &str, count: usize) -> String {
    let (text, search) = (Text(text), Text(search));
    format!(
        "<p class=\"lead\">{text}</p>\n<form method=\"get\" role=\"search\" class=\"search\">\n\
         <label for=\"q\">Search {noun}</label>\n\
         <input type=\"search\" id=\"q\" name=\"q\" value=\"{search}\" autocomplete=\"off\" spellcheck=\"false\" \
         aria-describedby=\"count\" aria-keyshortcuts=\"/\">\n<button>Search</button>\n\
         <p id=\"count\" role=\"status\" data-noun=\"{noun}\">{count} {noun}</p>\n</form>\n"
    )
}

fn columns(names: &[&str]) -> String {
    let names: String = names.iter().map(|name| format!("<th scope=\"col\">{name}</th>")).collect();
    format!("<table>\n<thead><tr>{names}</tr></thead>\n<tbody>\n")
}

/// A row whose first cell is its head.
fn cells(main: &mut String, id: &str, cells: &[String]) {
    let (first, rest) = cells.split_first().expect("a row has cells");
    write!(main, "<tr id=\"{}\"><th scope=\"row\">{first}</th>", Text(id)).expect(WRITES);
    for cell in rest {
        write!(main, "<td>{cell}</td>").expect(WRITES);
    }
    main.push_str("</tr>\n");
}

/// A few names as they are, many behind a summary that says how many.
fn list(noun: &str, items: Vec<String>) -> String {
    match items.len() {
        0 => "–".into(),
        count if count <= SHORT_LIST => items.join(", "),
        count => format!("<details><summary>{count} {noun}</summary>{}</details>", items.join(", ")),
    }
}

fn permission(name: &str) -> String {
    format!("<a href=\"/docs/permissions#{0}\"><code>{0}</code></a>", Text(name))
}

fn signal(code: &str) -> String {
    format!("<a href=\"/docs/signals#{0}\"><code>{0}</code></a>", Text(code))
}

/// `get-tires-pressure`
fn endpoint_id(method: &str, path: &str) -> String {
    let path = path.trim_matches('/').replace(['/', '_'], "-");
    let path = if path.is_empty() { "attributes" } else { &path };
    format!("{}-{path}", method.to_lowercase())
}
