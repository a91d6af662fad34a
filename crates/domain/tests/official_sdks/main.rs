//! Bodies as receivers read them that are built on the official SDKs: the Node SDK checks a signature over the parsed
//! body, serialised again, the Python SDK over the text. `cargo xtask test` fetches both.

mod documents;

use std::{
    io::{BufWriter, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use milepost_domain::signature::Signer;
use serde_json::{Value, json};

use documents::Documents;

const KEY: &str = "8a1c2f4e-0000-4000-8000-Schlüssel";
const IN_THE_TESTS: u64 = 100_000;
const IN_THE_SOAK: u64 = 1_000_000;

#[test]
fn row_h02_row_h04_generated_bodies_verify_with_the_official_sdks() {
    println!("{IN_THE_TESTS} bodies: {}", verify(0..IN_THE_TESTS));
}

#[test]
#[ignore = "a long version"]
fn soak_canonical_generated_bodies_verify_with_the_official_sdks() {
    let kinds = verify(0..IN_THE_SOAK);
    println!(
        "soak: {IN_THE_SOAK} bodies ({kinds}) unchanged by Node, signatures good by the Node and Python SDKs"
    );
}

/// What would pass unseen if the receivers looked away.
#[test]
fn the_official_sdks_refuse_what_is_not_signed_or_does_not_survive() {
    let signer = Signer::new(KEY);
    let mut receivers = Receivers::start();
    for (signed, sent) in [
        (r#"{"a":1}"#, r#"{"a":1}"#),
        (r#"{"a":1}"#, r#"{"a":2}"#),
        (r#"{"a":1.0}"#, r#"{"a":1.0}"#),
        (r#"{"b":1,"17":2}"#, r#"{"b":1,"17":2}"#),
    ] {
        receivers.send(&signer.sign(signed.as_bytes()), sent);
    }
    let [node, python] = receivers.said();
    let changed = [r#"{"a":1.0}"#, r#"{"b":1,"17":2}"#];
    let refused = [r#"{"a":2}"#, changed[0], changed[1]];
    assert_eq!(node, json!({ "read": 4, "changed": changed, "refused": refused }));
    assert_eq!(python, json!({ "read": 4, "changed": [], "refused": [r#"{"a":2}"#] }));
}

/// Sends a document per seed to both receivers. Gives how many there were of each kind.
fn verify(seeds: std::ops::Range<u64>) -> String {
    let signer = Signer::new(KEY);
    let mut receivers = Receivers::start();
    let mut kinds = std::collections::BTreeMap::<&str, (u64, usize)>::new();
    let read = seeds.end - seeds.start;
    for (kind, body) in Documents::of(seeds) {
        let (count, bytes) = kinds.entry(kind).or_default();
        (*count, *bytes) = (*count + 1, *bytes + body.len());
        receivers.send(&signer.sign(body.as_bytes()), &body);
    }
    for said in receivers.said() {
        assert_eq!(said, json!({ "read": read, "changed": [], "refused": [] }));
    }
    let kinds = kinds
        .iter()
        .map(|(kind, (count, bytes))| format!("{count} {kind} of {} bytes", bytes / *count as usize));
    kinds.collect::<Vec<_>>().join(", ")
}

/// One process per SDK, which reads what it is sent until the end.
struct Receivers([Receiver; 2]);

struct Receiver {
    process: Child,
    input: BufWriter<std::process::ChildStdin>,
}

impl Receivers {
    fn start() -> Self {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/official_sdks");
        let module = sdk("node/node_modules/smartcar");
        let mut node = Command::new("node");
        node.arg(here.join("receiver.js")).arg(module).arg(KEY);
        let mut python = Command::new(sdk("python/bin/python"));
        python.arg(here.join("receiver.py")).arg(KEY);
        Self([node, python].map(|mut command| Receiver::start(&mut command)))
    }

    fn send(&mut self, signature: &str, body: &str) {
        for Receiver { input, .. } in &mut self.0 {
            writeln!(input, "{signature} {body}").expect("the receiver reads until the end");
        }
    }

    fn said(self) -> [Value; 2] {
        self.0.map(|Receiver { process, input }| {
            drop(input.into_inner().expect("the receiver reads until the end"));
            let output = process.wait_with_output().expect("it can be waited for");
            assert!(output.status.success(), "{}", output.status);
            serde_json::from_slice(&output.stdout).expect("a receiver speaks JSON")
        })
    }
}

impl Receiver {
    fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started ({error}): run `cargo xtask test`"));
        let input = BufWriter::with_capacity(1 << 16, process.stdin.take().expect("its input is a pipe"));
        Self { process, input }
    }
}

/// Where `cargo xtask test` puts the SDKs.
fn sdk(path: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("official-sdks").join(path);
    assert!(path.exists(), "{} is not there: `cargo xtask test` fetches the official SDKs", path.display());
    path
}
