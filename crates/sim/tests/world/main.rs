//! Scenarios of the simulated world, by subject. Each test reads like a page of the manual.

mod schedule;
