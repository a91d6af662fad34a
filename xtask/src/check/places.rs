//! No file names a place that only one machine has: somebody's home, or where this checkout lies.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::program::{program, read, root};

/// Where people live.
const HOMES: &[&str] = &["/home/", "/Users/", "/root/", "C:\\Users\\"];
/// A checkout in one of these says nothing about its machine.
const COMMON: &[&str] = &["/", "/tmp", "/var/tmp"];

pub(super) fn check() -> Result<()> {
    let files = read(program("git").args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]))?;
    let places = places(root());
    let mut found = Vec::new();
    for file in files.split_terminator('\0') {
        // What is not text, or was deleted and not yet committed, names nothing.
        let Ok(text) = std::fs::read_to_string(root().join(file)) else { continue };
        let lines =
            text.lines().enumerate().filter(|(_, line)| places.iter().any(|place| names(line, place)));
        found.extend(lines.map(|(at, line)| format!("{file}:{}: {}", at + 1, line.trim())));
    }
    ensure!(found.is_empty(), "these lines name a place of one machine:\n{}", found.join("\n"));
    Ok(())
}

fn places(checkout: &Path) -> Vec<String> {
    let neighbourhood =
        checkout.parent().filter(|parent| !COMMON.iter().any(|common| *parent == Path::new(common)));
    let own = neighbourhood.unwrap_or(checkout);
    HOMES.iter().map(|home| (*home).to_owned()).chain([format!("{}/", own.display())]).collect()
}

/// Whether a line has a path that goes on from the place. A URL's path does not count: something stands before it.
fn names(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + place.len()..].chars().next();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-}".contains(c))
            && after.is_some_and(|c| c.is_alphanumeric() || c == '.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_and_the_neighbourhood_of_the_checkout_are_places_of_one_machine() {
        let places = places(Path::new("/srv/anna/milepost"));
        let told = |line: &str| places.iter().any(|place| names(line, place));
        for slash in ["/home", "/srv/anna"] {
            assert!(told(&format!("see {slash}/notes.txt")), "{slash}");
        }
        for line in
            ["GET https://example.com/home/page", "in the folder /home/", "/srv/berta/x", "crates/app"]
        {
            assert!(!told(line), "{line}");
        }
    }

    #[test]
    fn a_checkout_in_a_common_folder_only_tells_its_own_name() {
        assert!(places(Path::new("/tmp/milepost")).contains(&"/tmp/milepost/".to_owned()));
    }
}
