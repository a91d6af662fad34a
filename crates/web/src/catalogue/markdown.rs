//! The rows as the Markdown files of `docs/`.

use std::{collections::BTreeSet, fmt::Write as _};

use domain::compatibility::Model;
use serde_json::Value;

use super::{
    CatalogueSignal, EndpointFilter, ErrorFilter, SignalFilter, endpoints, errors, permissions, problems,
    signals,
};

/// `docs/signals.md`.
pub fn signals_page(models: &[Model]) -> String {
    let rows = signals(models, &SignalFilter::default()).unwrap_or_default();
    let mut page = head(
        "Signals",
        "signals",
        "A signal is one thing that a vehicle can say, known by its code. Triggers and data of unified webhooks, readings that \
         feeds push, and payloads use these codes. Every signal can be data of a unified webhook; those marked *trigger* can \
         also make it fire.\n\n\
         Values are kept and sent in the unit of the table. A reading may use another unit of the same kind, as \
         `{\"value\": 32, \"unit\": \"psi\"}`: it is converted. *Value* says what a reading may say, *Example* is a value as a \
         reading has it. [readings.md](readings.md) says which reading counts.",
    );
    let groups: BTreeSet<&str> = rows.iter().map(|row| row.group).collect();
    for group in groups {
        line(&mut page, format_args!("\n## {group}\n"));
        table(
            &mut page,
            &["Signal", "Value", "Unit", "Example", "Permission", "Use", "Vehicles", "v2 endpoints"],
        );
        for row in rows.iter().filter(|row| row.group == group) {
            let endpoints: Vec<String> = row.endpoints.iter().map(|path| code(path)).collect();
            cells(
                &mut page,
                &[
                    &format!("<a id=\"{0}\"></a>`{0}`", row.code),
                    &row.takes,
                    row.unit.unwrap_or("–"),
                    &code(&shortened(&row.example)),
                    &format!("[{0}](permissions.md#{0})", row.permission),
                    if row.trigger { "trigger, data" } else { "data" },
                    &row.powertrains.join(" "),
                    &endpoints.join(", "),
                ],
            );
        }
    }
    page +=
        "\n## Brands\n\nBrands of which at least one model of the simulated fleet provides the signal.\n\n";
    table(&mut page, &["Signal", "Brands"]);
    let all: BTreeSet<&str> = models.iter().map(|model| model.make.as_str()).collect();
    for row in &rows {
        cells(&mut page, &[&code(&row.code), &brands(row, &all)]);
    }
    page
}

fn brands(row: &CatalogueSignal, all: &BTreeSet<&str>) -> String {
    match row.brands.len() {
        0 => "none".into(),
        count if count == all.len() => "all".into(),
        count if count * 2 > all.len() => {
            let missing = all.iter().filter(|brand| !row.brands.iter().any(|known| known == *brand));
            format!("all but {}", missing.copied().collect::<Vec<_>>().join(", "))
        }
        _ => row.brands.join(", "),
    }
}

/// `docs/endpoints.md`.
pub fn endpoints_page(models: &[Model]) -> String {
    let rows = endpoints(models, &EndpointFilter::default()).unwrap_or_default();
    let mut page = head(
        "Endpoints",
        "endpoints",
        "Endpoints of the v2 API below `/v2.0/vehicles/{id}`. A scheduled webhook can carry the reads that every brand has; \
         those of one brand, and commands, are for requests only. With *units*, the header `sc-unit-system` chooses between \
         `metric` and `imperial`.",
    );
    let kind = |title: &str, is: &dyn Fn(&super::CatalogueEndpoint) -> bool, page: &mut String| {
        line(page, format_args!("\n## {title}\n"));
        table(page, &["Endpoint", "Permission", "Units", "Vehicles", "Signals"]);
        for row in rows.iter().filter(|row| is(row)) {
            let signals: Vec<String> =
                row.signals.iter().map(|signal| format!("[{signal}](signals.md#{signal})")).collect();
            cells(
                page,
                &[
                    &format!("`{} {}`", row.method, row.path),
                    &format!("[{0}](permissions.md#{0})", row.permission),
                    if row.units { "yes" } else { "–" },
                    &row.powertrains.join(" "),
                    &signals.join(", "),
                ],
            );
        }
    };
    kind("Reads that every brand has", &|row| row.method == "GET" && row.brand.is_none(), &mut page);
    kind("Commands", &|row| row.method != "GET" && row.brand.is_none(), &mut page);
    kind("Reads of one brand", &|row| row.method == "GET" && row.brand.is_some(), &mut page);
    kind("Commands of one brand", &|row| row.method != "GET" && row.brand.is_some(), &mut page);
    page
}

/// `docs/permissions.md`.
pub fn permissions_page(models: &[Model]) -> String {
    let mut page = head(
        "Permissions",
        "permissions",
        "What an owner can grant to an application. The names are the words of `scope` in Connect; `required:` before a name \
         leaves the owner no choice about it. *Text* is how Connect asks owners in English.",
    );
    table(&mut page, &["Permission", "Text", "Signals", "v2 endpoints"]);
    for row in permissions(models, None) {
        let signals: Vec<String> =
            row.signals.iter().map(|signal| format!("[{signal}](signals.md#{signal})")).collect();
        let endpoints: Vec<String> = row.endpoints.iter().map(|endpoint| code(endpoint)).collect();
        cells(
            &mut page,
            &[
                &format!("<a id=\"{0}\"></a>`{0}`", row.name),
                row.text,
                &signals.join(", "),
                &endpoints.join(", "),
            ],
        );
    }
    page
}

/// `docs/errors.md`.
pub fn errors_page() -> String {
    let mut page = head(
        "Errors",
        "errors",
        "Two families. Payloads of webhooks and answers of the v2 API carry an error of the first table, known by its type \
         and code; `docURL` leads to its page on the server. The admin API and the ingest API answer with a problem \
         (RFC 9457) of the second table, known by `code`; `type` leads to its page.",
    );
    page += "\n## Payloads and v2\n\n*Retried*: it may pass by itself, so a scheduled read asks again within its slot, and an \
             application may ask again later.\n\n";
    table(&mut page, &["Type", "Code", "HTTP", "What happened", "What to do", "Resolution", "Retried"]);
    for row in errors(&ErrorFilter::default()).unwrap_or_default() {
        let anchor = format!("{}-{}", row.kind, row.code.unwrap_or("null")).to_lowercase();
        cells(
            &mut page,
            &[
                &format!("<a id=\"{anchor}\"></a>`{}`", row.kind),
                &code(row.code.unwrap_or("null")),
                &row.status.to_string(),
                row.description,
                row.advice,
                &code(row.resolution.unwrap_or("null")),
                if row.retried { "yes" } else { "no" },
            ],
        );
    }
    page += "\n## Admin and ingest API\n\n";
    table(&mut page, &["Code", "HTTP", "What happened", "What to do"]);
    for row in problems(None) {
        cells(
            &mut page,
            &[&format!("<a id=\"{0}\"></a>`{0}`", row.code), &row.status.to_string(), row.title, row.advice],
        );
    }
    page
}

fn head(title: &str, command: &str, text: &str) -> String {
    format!(
        "# {title}\n\n<!-- Written by `milepost {command} --markdown > docs/{command}.md`; a test compares. -->\n\n{text}\n\n\
         The same table: `milepost {command}` on the command line, `/docs/{command}` on a server, and \
         `/api/v1/catalogue/{command}` in the admin API.\n"
    )
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(page, "{text}").expect("text takes all text");
}

fn table(page: &mut String, heads: &[&str]) {
    cells(page, heads);
    line(page, format_args!("|{}", " --- |".repeat(heads.len())));
}

fn cells(page: &mut String, texts: &[&str]) {
    let cells: Vec<String> = texts.iter().map(|text| text.replace('|', "\\|")).collect();
    line(page, format_args!("| {} |", cells.join(" | ")));
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// Characters of an example in a table.
const LONGEST_EXAMPLE: usize = 120;

/// An example as JSON, cut where it would burst the table.
pub(crate) fn shortened(example: &Value) -> String {
    let text = example.to_string();
    match text.char_indices().nth(LONGEST_EXAMPLE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
