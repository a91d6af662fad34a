//! What the tests need of the machine beside a Rust toolchain.

use anyhow::{Result, bail};

use crate::program::{is_installed, program, run};

/// A program that some tests start, and where Debian has it.
struct Need {
    program: &'static str,
    packages: &'static [&'static str],
}

const NEEDS: &[Need] = &[
    // Compiles SQLite and the cryptography under TLS.
    Need { program: "cc", packages: &["gcc", "libc6-dev"] },
    // Networks without a way out, in which hostile callback URIs are tried.
    Need { program: "ip", packages: &["iproute2"] },
    Need { program: "unshare", packages: &["util-linux"] },
    // Reads bodies as receivers do that parse and write JSON again before they verify.
    Need { program: "node", packages: &["nodejs"] },
    Need { program: "python3", packages: &["python3"] },
];

/// Sees that everything is there: installs what is missing where that is ours to do, else says what to install.
pub(crate) fn provide() -> Result<()> {
    let missing = missing(is_installed);
    if missing.is_empty() {
        return Ok(());
    }
    if !may_install() {
        bail!("{}", instruction(&missing));
    }
    eprintln!("installing what the tests need: {}", packages(&missing).join(" "));
    let apt = || {
        let mut apt = program("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    run(apt().args(["update", "-q"]))?;
    run(apt().args(["install", "-y", "-q", "--no-install-recommends"]).args(packages(&missing)))
}

fn missing(is_there: impl Fn(&str) -> bool) -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !is_there(need.program)).collect()
}

/// On Debian and its kin, as root: in a container, mostly.
fn may_install() -> bool {
    rustix::process::geteuid().is_root() && is_installed("apt-get")
}

fn packages(missing: &[&Need]) -> Vec<&'static str> {
    missing.iter().flat_map(|need| need.packages).copied().collect()
}

fn instruction(missing: &[&Need]) -> String {
    let programs: Vec<_> = missing.iter().map(|need| need.program).collect();
    format!(
        "the tests need {}; install the packages {} (their names on Debian)",
        programs.join(", "),
        packages(missing).join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_missing_where_everything_is_there() {
        assert!(missing(|_| true).is_empty());
    }

    #[test]
    fn what_is_missing_is_named_with_its_packages() {
        let missing = missing(|name| !["node", "cc"].contains(&name));
        assert_eq!(
            instruction(&missing),
            "the tests need cc, node; install the packages gcc libc6-dev nodejs (their names on Debian)"
        );
    }
}
