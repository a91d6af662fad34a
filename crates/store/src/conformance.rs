//! The promises that every backend keeps.
