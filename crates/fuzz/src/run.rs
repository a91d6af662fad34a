//! Running a target: inputs one after the other, each within its limits.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use crate::{LARGEST, MEMORY, TIME, Target, memory, mutate};

/// How long a run is.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// So many mutated inputs.
    Inputs(u64),
    /// Until so much time has passed.
    Time(Duration),
}

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Inputs, those of the corpus included.
    pub inputs: u64,
    /// The most processor time of one input.
    pub slowest: Duration,
    /// The most bytes in use of one input.
    pub largest: usize,
}

/// An input that does not come to an end is noticed after so much real time.
const STUCK: Duration = Duration::from_secs(120);

/// Runs a target with its corpus as it is, then with mutations drawn from a seed.
///
/// # Panics
///
/// When an input panics, takes too much time or memory, or does not end; the message names the file that it is in.
#[expect(clippy::disallowed_methods, reason = "an input that hangs can only be noticed by the real clock")]
pub fn run(target: Target, seed: u64, limit: Limit) -> Summary {
    let state = Arc::new(State::default());
    let (send, finished) = mpsc::channel();
    let worker = {
        let state = state.clone();
        thread::Builder::new().name(format!("fuzz {}", target.name)).spawn(move || {
            let result = work(target, seed, limit, &state);
            // Nobody listens any more when the input was given up.
            let _ = send.send(result);
        })
    };
    worker.expect("a thread can be started");
    let (mut seen, mut since) = (0, Instant::now());
    loop {
        match finished.recv_timeout(Duration::from_millis(500)) {
            Ok(Ok(summary)) => return summary,
            Ok(Err((input, why))) => {
                panic!("{}: {why}; the input is in {}", target.name, keep(target, &input))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => panic!("{}: the worker has gone", target.name),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        let begun = state.begun.load(Ordering::Relaxed);
        if begun != seen {
            (seen, since) = (begun, Instant::now());
        } else if since.elapsed() > STUCK {
            let input = state.input.lock().unwrap_or_else(PoisonError::into_inner).clone();
            panic!("{}: an input does not end; it is in {}", target.name, keep(target, &input));
        }
    }
}

/// What the worker is at.
#[derive(Default)]
struct State {
    begun: AtomicU64,
    input: Mutex<Vec<u8>>,
}

#[expect(clippy::disallowed_methods, reason = "how long a soak runs is for people")]
fn work(target: Target, seed: u64, limit: Limit, state: &State) -> Result<Summary, (Vec<u8>, String)> {
    let corpus = corpus(target);
    let mut summary = Summary::default();
    for input in &corpus {
        one(target, input, state, &mut summary)?;
    }
    let begun = Instant::now();
    for number in 0.. {
        let goes_on = match limit {
            Limit::Inputs(inputs) => number < inputs,
            Limit::Time(time) => begun.elapsed() < time,
        };
        if !goes_on {
            break;
        }
        // Each input has a chance of its own, so that one can be made again without those before it.
        let mut chance = mutate::Chance::new(seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        one(target, &mutate::input(&corpus, &mut chance), state, &mut summary)?;
    }
    Ok(summary)
}

fn one(target: Target, input: &[u8], state: &State, summary: &mut Summary) -> Result<(), (Vec<u8>, String)> {
    {
        let mut current = state.input.lock().unwrap_or_else(PoisonError::into_inner);
        current.clear();
        current.extend_from_slice(input);
    }
    state.begun.fetch_add(1, Ordering::Relaxed);
    let failed = |why: String| (input.to_vec(), why);
    let before = processor_time();
    let mut outcome = Ok(());
    let most = memory::most_during(|| outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input))));
    let took = processor_time().saturating_sub(before);
    outcome.map_err(|_| failed("panicked".into()))?;
    if took > TIME {
        return Err(failed(format!("took {} ms", took.as_millis())));
    }
    if most > MEMORY {
        return Err(failed(format!("had {most} bytes in use")));
    }
    summary.inputs += 1;
    summary.slowest = summary.slowest.max(took);
    summary.largest = summary.largest.max(most);
    Ok(())
}

/// Of this thread: how busy the machine is beside does not count. Nothing where the system does not say.
fn processor_time() -> Duration {
    let used = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = used.and_then(|text| text.split_whitespace().next()?.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn corpus(target: Target) -> Vec<Vec<u8>> {
    let folder = folder().join("corpus").join(target.name);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = files.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().filter_map(|path| fs::read(path).ok()).collect();
    assert!(!corpus.is_empty(), "{} has no examples", folder.display());
    assert!(corpus.iter().all(|input| input.len() <= LARGEST), "examples have at most {LARGEST} bytes");
    corpus
}

fn keep(target: Target, input: &[u8]) -> String {
    let folder = folder().join("../../target/fuzz");
    let sum = input.iter().fold(0_u64, |sum, &byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let path = folder.join(format!("{}-{sum:016x}", target.name));
    match fs::create_dir_all(&folder).and_then(|()| fs::write(&path, input)) {
        Ok(()) => path.display().to_string(),
        Err(error) => format!("no file ({error}): {}", input.escape_ascii()),
    }
}
