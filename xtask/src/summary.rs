//! What the test programs say at their ends, and the sum of it.

use std::fmt;

/// The ends of all test programs of one run.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// The program whose output is being read.
    current: String,
    ends: Vec<End>,
    failed_tests: Vec<String>,
}

/// How one test program ended, in its own words.
#[derive(Debug)]
struct End {
    program: String,
    line: String,
    counts: Counts,
}

/// Tests by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl Summary {
    /// Reads a line of what `cargo test` prints.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(program) = program_of(line) {
            self.current = program;
        } else if let Some(counts) = counts_of(line) {
            self.ends.push(End { program: self.current.clone(), line: line.to_owned(), counts });
        } else if let Some(test) = failed_test(line) {
            self.failed_tests.push(format!("{} {test}", self.current));
        }
    }

    /// The sum over all test programs.
    pub(crate) fn counts(&self) -> Counts {
        self.ends.iter().fold(Counts::default(), |sum, end| Counts {
            passed: sum.passed + end.counts.passed,
            failed: sum.failed + end.counts.failed,
            skipped: sum.skipped + end.counts.skipped,
        })
    }

    /// The programs' own last lines, those that ran no test left out, then the tests that failed.
    pub(crate) fn lines(&self) -> Vec<String> {
        let ends: Vec<_> = self.ends.iter().filter(|end| end.counts != Counts::default()).collect();
        let width = ends.iter().map(|end| end.program.len()).max().unwrap_or(0);
        let ends = ends.iter().map(|end| format!("{:width$}  {}", end.program, end.line));
        ends.chain(self.failed_tests.iter().map(|test| format!("failed: {test}"))).collect()
    }
}

/// `     Running tests/kills.rs (target/debug/deps/kills-0123456789abcdef)`, `   Doc-tests milepost_domain`
fn program_of(line: &str) -> Option<String> {
    let line = line.trim_start();
    if let Some(library) = line.strip_prefix("Doc-tests ") {
        return Some(format!("{library} (documentation)"));
    }
    let (_, file) = line.strip_prefix("Running ")?.strip_suffix(')')?.rsplit_once('(')?;
    let file = file.rsplit(['/', '\\']).next()?;
    let name = file.strip_suffix(".exe").unwrap_or(file);
    Some(name.rsplit_once('-').map_or(name, |(name, _)| name).to_owned())
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
fn counts_of(line: &str) -> Option<Counts> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |of: &str| counts.split("; ").find_map(|part| part.strip_suffix(of)?.trim_end().parse().ok());
    Some(Counts { passed: count("passed")?, failed: count("failed")?, skipped: count("ignored")? })
}

/// `test vehicle::tests::a_name ... FAILED`
fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary_of(text: &str) -> Summary {
        let mut summary = Summary::default();
        text.lines().for_each(|line| summary.read(line));
        summary
    }

    const RUN: &str = "\
     Running unittests src/lib.rs (target/debug/deps/milepost_domain-0123456789abcdef)

running 4 tests
test ids::tests::reads_back ... ok
test time::tests::is_wrong ... FAILED
test cadence::tests::soak ... ignored, for minutes

failures:

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s

     Running tests/kills.rs (target/debug/deps/kills-0123456789abcdef)
test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.00s

   Doc-tests milepost_domain
test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn the_sum_is_that_of_all_programs() {
        assert_eq!(summary_of(RUN).counts().to_string(), "5 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn the_programs_own_lines_are_repeated_with_their_names() {
        assert_eq!(
            summary_of(RUN).lines(),
            [
                "milepost_domain  test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; \
                 finished in 0.01s",
                "kills            test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out; \
                 finished in 1.00s",
                "failed: milepost_domain time::tests::is_wrong",
            ]
        );
    }

    #[test]
    fn a_line_that_only_speaks_of_results_counts_nothing() {
        for line in ["the test result: ok. 3 passed", "test result: ok.", "test a ... ok"] {
            assert_eq!(summary_of(line).counts(), Counts::default(), "{line}");
        }
    }
}
