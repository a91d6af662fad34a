//! The step as a manual: what a car answers or pushes, and what follows.

mod slots;
mod watching;
