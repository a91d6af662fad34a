//! Cadences.
