//! `ARCHITECTURE.md` names every crate, and every file and folder that it names exists.

use anyhow::{Context, Result, ensure};

use super::arrows;
use crate::program::root;

const MAP: &str = "ARCHITECTURE.md";

pub(super) fn check() -> Result<()> {
    let map = std::fs::read_to_string(root().join(MAP)).with_context(|| format!("{MAP} cannot be read"))?;
    let wrong = wrong(&map, &arrows::crates()?, |path| root().join(path).exists());
    ensure!(wrong.is_empty(), "{MAP} {}", wrong.join(&format!("\n{MAP} ")));
    Ok(())
}

fn wrong(map: &str, crates: &[String], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let unnamed =
        crates.iter().map(|name| format!("crates/{name}")).filter(|path| !map.contains(path.as_str()));
    let absent = paths(map).filter(|path| !exists(path));
    unnamed
        .map(|path| format!("does not say what {path} is"))
        .chain(absent.map(|path| format!("names {path}, which does not exist")))
        .collect()
}

/// What the map quotes that lies in one of the repository's folders.
fn paths(map: &str) -> impl Iterator<Item = &str> {
    let quoted = map.split('`').skip(1).step_by(2);
    quoted.filter(|text| ["crates/", "xtask/", "docs/"].iter().any(|folder| text.starts_with(folder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_without_a_word_and_a_file_that_has_gone_are_told() {
        let map = "`crates/domain` decides, `crates/app/src/gone.rs` is no more, `cargo run` runs.";
        let crates = ["domain".to_owned(), "app".to_owned(), "lab".to_owned()];
        assert_eq!(
            wrong(map, &crates, |path| path == "crates/domain"),
            ["does not say what crates/lab is", "names crates/app/src/gone.rs, which does not exist"]
        );
    }
}
