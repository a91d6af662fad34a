//! The arrows between the crates: every one leads towards `domain`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::program::{cargo, read, root};

/// Which crates a crate stands directly upon. It may use these and what they stand upon.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("store", &["domain"]),
    ("store-sqlite", &["store"]),
    ("app", &["store"]),
    ("egress", &["app"]),
    ("sources", &["app"]),
    ("web", &["app"]),
    // Judges the others, so it shares nothing with them.
    ("lab", &[]),
    ("server", &["web", "sources", "egress", "lab", "store-sqlite"]),
    ("sim", &["sources", "lab", "store-sqlite"]),
    ("fuzz", &["web", "sources", "egress"]),
];

/// What tests may use beside: a store to work on and the laboratory.
const FOR_TESTS: &[&str] = &["store-sqlite", "lab"];

/// Crates by folder, with the folders that they depend on, and whether only tests do.
type Graph = BTreeMap<String, Vec<(String, bool)>>;

pub(super) fn check() -> Result<()> {
    let wrong = wrong_arrows(&graph()?);
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The folders of all crates.
pub(super) fn crates() -> Result<Vec<String>> {
    Ok(graph()?.into_keys().collect())
}

fn graph() -> Result<Graph> {
    let metadata = read(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    Ok(packages
        .iter()
        .filter_map(|package| Some((folder(&package["manifest_path"])?, uses(package))))
        .collect())
}

fn uses(package: &Value) -> Vec<(String, bool)> {
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    dependencies.filter_map(|used| Some((folder(&used["path"])?, used["kind"] == "dev"))).collect()
}

/// The name of the folder under `crates/` that a path leads into.
fn folder(path: &Value) -> Option<String> {
    let inside = std::path::Path::new(path.as_str()?).strip_prefix(root().join("crates")).ok()?;
    Some(inside.iter().next()?.to_str()?.to_owned())
}

fn wrong_arrows(graph: &Graph) -> Vec<String> {
    let mut wrong = Vec::new();
    for (from, uses) in graph {
        let Some(allowed) = below(from) else {
            wrong.push(format!(
                "crates/{from} has no arrows: add it to xtask/src/check/arrows.rs and ARCHITECTURE.md"
            ));
            continue;
        };
        for (to, in_tests) in uses {
            let is_allowed = allowed.contains(to.as_str()) || *in_tests && FOR_TESTS.contains(&to.as_str());
            if !is_allowed {
                wrong.push(format!(
                    "crates/{from} must not use crates/{to}: move what it wants to where both may look"
                ));
            }
        }
    }
    wrong
}

/// Everything that a crate stands upon; `None` when nobody has said.
fn below(from: &str) -> Option<BTreeSet<&'static str>> {
    let (_, direct) = ARROWS.iter().find(|(name, _)| *name == from)?;
    let indirect = direct.iter().filter_map(|to| below(to)).flatten();
    Some(direct.iter().copied().chain(indirect).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(from: &str, to: &str, in_tests: bool) -> Vec<String> {
        wrong_arrows(&BTreeMap::from([(from.to_owned(), vec![(to.to_owned(), in_tests)])]))
    }

    #[test]
    fn a_crate_may_use_all_that_lies_below_it() {
        assert_eq!(wrong("web", "app", false), Vec::<String>::new());
        assert_eq!(wrong("web", "domain", false), Vec::<String>::new());
    }

    #[test]
    fn arrows_against_the_stream_and_sideways_are_refused() {
        for (from, to) in [("domain", "store"), ("web", "egress"), ("app", "store-sqlite"), ("lab", "domain")]
        {
            let said = wrong(from, to, false);
            assert_eq!(said.len(), 1, "{from} to {to}");
            assert!(said[0].starts_with(&format!("crates/{from} must not use crates/{to}")), "{said:?}");
        }
    }

    #[test]
    fn tests_may_use_a_store_and_the_laboratory_and_nothing_uses_the_simulated_world() {
        assert_eq!(wrong("web", "store-sqlite", true), Vec::<String>::new());
        assert_eq!(wrong("egress", "lab", true), Vec::<String>::new());
        assert_eq!(wrong("app", "sim", true).len(), 1);
    }

    #[test]
    fn a_crate_that_nobody_has_placed_is_named() {
        assert!(wrong("attic", "domain", false)[0].contains("crates/attic has no arrows"));
    }
}
