//! What happened in a world, as one number: two worlds with the same seed must agree in it.

use std::{fmt, sync::Arc};

use parking_lot::Mutex;

/// The trace of a world; clones are the same trace.
#[derive(Clone)]
pub(crate) struct Trace(Arc<Mutex<Inner>>);

struct Inner {
    hash: u64,
    /// The lines themselves, where somebody wants to read them.
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        // The offset of FNV-1a.
        Self(Arc::new(Mutex::new(Inner { hash: 0xcbf2_9ce4_8422_2325, lines: None })))
    }

    pub(crate) fn keep_lines(&self) {
        self.0.lock().lines.get_or_insert_default();
    }

    pub(crate) fn line(&self, what: fmt::Arguments<'_>) {
        let line = what.to_string();
        let inner = &mut *self.0.lock();
        for byte in line.bytes().chain([b'\n']) {
            inner.hash = (inner.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(lines) = &mut inner.lines {
            lines.push(line);
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.0.lock().hash
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().lines.clone().unwrap_or_default()
    }
}
