//! `milepost signals | endpoints | permissions | errors`: the catalogue, without a server.

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};
use web::catalogue::{self, EndpointFilter, ErrorFilter, SignalFilter, UnknownWord};

use super::{BadOption, show};
use crate::{
    cli::{Endpoints, Errors, Family, Format, Permissions, Signals},
    simulator,
};

pub(crate) fn signals(args: &Signals) -> Result<()> {
    let models = simulator::models_of_fleet();
    if args.format.markdown {
        return page(&catalogue::signals_page(&models));
    }
    let filter = SignalFilter {
        q: Some(args.words.join(" ")),
        group: args.group.clone(),
        brand: args.brand.clone(),
        permission: args.permission.clone(),
        endpoint: args.endpoint.clone(),
        trigger: (args.trigger || args.data_only).then_some(args.trigger),
    };
    let mut rows = catalogue::signals(&models, &filter).map_err(wrong)?;
    // The code of a signal is the signal, also where it is a part of another code.
    if let [word] = args.words.as_slice()
        && let Some(at) = rows.iter().position(|row| row.code == *word)
    {
        rows = vec![rows.swap_remove(at)];
    }
    let columns = ["code", "form", "unit", "permission", "trigger", "powertrains", "endpoints"];
    print(args.format, &rows, &columns, "signal")
}

pub(crate) fn endpoints(args: &Endpoints) -> Result<()> {
    let models = simulator::models_of_fleet();
    if args.format.markdown {
        return page(&catalogue::endpoints_page(&models));
    }
    let filter = EndpointFilter {
        q: Some(args.words.join(" ")),
        brand: args.brand.clone(),
        permission: args.permission.clone(),
        webhook: args.webhook.then_some(true),
    };
    let rows = catalogue::endpoints(&models, &filter).map_err(wrong)?;
    print(
        args.format,
        &rows,
        &["method", "path", "permission", "webhook", "units", "powertrains", "signals"],
        "endpoint",
    )
}

pub(crate) fn permissions(args: &Permissions) -> Result<()> {
    let models = simulator::models_of_fleet();
    if args.format.markdown {
        return page(&catalogue::permissions_page(&models));
    }
    let rows = catalogue::permissions(&models, Some(&args.words.join(" ")));
    print(args.format, &rows, &["name", "text", "endpoints", "signals"], "permission")
}

pub(crate) fn errors(args: &Errors) -> Result<()> {
    if args.format.markdown {
        return page(&catalogue::errors_page());
    }
    let search = args.words.join(" ");
    let filter = ErrorFilter { q: Some(search.clone()), kind: args.kind.clone() };
    let of_vehicles = match args.of {
        Some(Family::Admin) => vec![],
        _ => catalogue::errors(&filter).map_err(wrong)?,
    };
    let of_admin = match (args.of, &args.kind) {
        (Some(Family::Vehicle), _) | (_, Some(_)) => vec![],
        _ => catalogue::problems(Some(&search)),
    };
    if args.format.json {
        println!("{}", json!({ "errors": of_vehicles, "problems": of_admin }));
        return Ok(());
    }
    let (vehicles, admin) = (items(&of_vehicles)?, items(&of_admin)?);
    match (of_vehicles.len(), of_admin.len()) {
        (0, 0) => println!("no error has all of these words; `milepost errors` lists all"),
        (1, 0) => show::object(&vehicles["items"][0], false),
        (0, 1) => show::object(&admin["items"][0], false),
        _ => {
            if !of_vehicles.is_empty() {
                println!("Payloads and v2 API");
                show::list(
                    &vehicles,
                    &["type", "code", "status", "resolution", "retried", "description", "advice"],
                    false,
                );
            }
            if !of_admin.is_empty() {
                println!("\nAdmin and ingest API");
                show::list(&admin, &["code", "status", "title", "advice"], false);
            }
        }
    }
    Ok(())
}

/// Rows as a table; a single one in full.
fn print<T: Serialize>(format: Format, rows: &[T], columns: &[&str], noun: &str) -> Result<()> {
    let page = items(rows)?;
    if format.json {
        println!("{page}");
        return Ok(());
    }
    match rows {
        [] => println!("no {noun} has all of these words; `milepost {noun}s` lists all"),
        [_] => show::object(&page["items"][0], false),
        _ => show::list(&page, columns, false),
    }
    Ok(())
}

fn items<T: Serialize>(rows: &[T]) -> Result<Value> {
    Ok(json!({ "items": serde_json::to_value(rows)?, "nextCursor": null }))
}

fn page(text: &str) -> Result<()> {
    print!("{text}");
    Ok(())
}

fn wrong(unknown: UnknownWord) -> BadOption {
    BadOption(format!("--{}: {}", unknown.filter, unknown.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_docs_are_what_the_program_knows() {
        let models = simulator::models_of_fleet();
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
        for (name, page) in [
            ("signals", catalogue::signals_page(&models)),
            ("endpoints", catalogue::endpoints_page(&models)),
            ("permissions", catalogue::permissions_page(&models)),
            ("errors", catalogue::errors_page()),
        ] {
            let written = std::fs::read_to_string(format!("{docs}/{name}.md")).unwrap_or_default();
            assert!(written == page, "docs/{name}.md is old: milepost {name} --markdown > docs/{name}.md");
        }
    }
}
