//! What the tests need of the machine beside a Rust toolchain.

use anyhow::{Result, bail};

use crate::program::{is_installed, program, read, run};

/// A program that some tests start, and where Debian has it.
struct Need {
    program: &'static str,
    /// Arguments with which it succeeds when it is there as a whole: Debian splits Python into packages.
    proof: Option<&'static [&'static str]>,
    packages: &'static [&'static str],
}

const NEEDS: &[Need] = &[
    // Compiles SQLite and the cryptography under TLS.
    Need { program: "cc", proof: None, packages: &["gcc", "libc6-dev"] },
    // Networks without a way out, in which hostile callback URIs are tried.
    Need { program: "ip", proof: None, packages: &["iproute2"] },
    Need { program: "unshare", proof: None, packages: &["util-linux"] },
    // Reads bodies as receivers do that parse and write JSON again before they verify.
    Need { program: "node", proof: None, packages: &["nodejs"] },
    // A real browser goes through the pages.
    Need { program: "chromium", proof: None, packages: &["chromium"] },
    Need { program: "chromedriver", proof: None, packages: &["chromium-driver"] },
    // Fetch the official SDKs.
    Need { program: "npm", proof: None, packages: &["npm"] },
    Need {
        program: "python3",
        proof: Some(&["-c", "import ensurepip, venv"]),
        packages: &["python3", "python3-venv"],
    },
];

/// Languages of the receivers in docs/receivers. A test says which of them did not run, so a machine on which nothing may be
/// installed does without.
const LANGUAGES: &[Need] = &[
    Need { program: "javac", proof: None, packages: &["default-jdk-headless"] },
    Need { program: "ruby", proof: Some(&["-e", "require 'webrick'"]), packages: &["ruby", "ruby-webrick"] },
    Need { program: "go", proof: Some(&["version"]), packages: &["golang-go"] },
];

/// Sees that everything is there: installs what is missing where that is ours to do, else says what to install.
pub(crate) fn provide() -> Result<()> {
    let mut missing = missing(NEEDS, is_there);
    if may_install() {
        missing.extend(self::missing(LANGUAGES, is_there));
    }
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

fn missing(needs: &'static [Need], is_there: impl Fn(&Need) -> bool) -> Vec<&'static Need> {
    needs.iter().filter(|need| !is_there(need)).collect()
}

fn is_there(need: &Need) -> bool {
    let proves = |proof: &[&str]| read(program(need.program).args(proof)).is_ok();
    is_installed(need.program) && need.proof.is_none_or(proves)
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
        assert!(missing(NEEDS, |_| true).is_empty());
    }

    #[test]
    fn what_is_missing_is_named_with_its_packages() {
        let missing = missing(NEEDS, |need| !["node", "cc"].contains(&need.program));
        assert_eq!(
            instruction(&missing),
            "the tests need cc, node; install the packages gcc libc6-dev nodejs (their names on Debian)"
        );
    }
}
