//! Starting other programs in the root of the repository.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use anyhow::{Context, Result, ensure};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository")
}

/// A program that is to run in the root of the repository.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    command
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Whether a program of this name would be found.
pub(crate) fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// Runs a program that must succeed and shows what it says.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{} cannot be started", line(command)))?;
    ensure!(status.success(), "{} failed ({status})", line(command));
    Ok(())
}

/// Runs a program that must succeed and answers with what it prints.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{} cannot be started", line(command)))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed ({}): {}", line(command), output.status, said.trim());
    String::from_utf8(output.stdout)
        .with_context(|| format!("{} printed something else than text", line(command)))
}

/// Runs a program, shows what it says, both streams in one order, and lets somebody read along.
pub(crate) fn watch(command: &mut Command, mut on_line: impl FnMut(&str)) -> Result<ExitStatus> {
    let (reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("{} cannot be started", line(command)))?;
    // The command holds our ends for writing: as long as they are open, reading would not end.
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut reader = BufReader::new(reader);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes)? > 0 {
        let text = String::from_utf8_lossy(&bytes);
        let line = text.trim_end();
        println!("{line}");
        on_line(line);
        bytes.clear();
    }
    Ok(child.wait()?)
}

/// How somebody would type the command.
pub(crate) fn line(command: &Command) -> String {
    let name = PathBuf::from(command.get_program());
    let name = name.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
    std::iter::once(name).chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_is_read_line_by_line_in_its_order() {
        let mut lines = Vec::new();
        let mut shell = program("sh");
        shell.args(["-c", "echo out; echo err >&2; printf last; exit 3"]);
        let status = watch(&mut shell, |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["out", "err", "last"]);
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn a_program_that_fails_is_an_error_that_says_what_was_run() {
        let error = run(program("sh").args(["-c", "exit 3"])).unwrap_err().to_string();
        assert!(error.starts_with("sh -c exit 3 failed"), "{error}");
    }
}
