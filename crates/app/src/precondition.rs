//! Which version of an object an edit was made on.

use crate::AppError;

/// Edits that name no version are applied to what is there, again if somebody else was faster; those that do are refused
/// when that version has passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Any.
    #[default]
    None,
    /// One of these.
    OneOf(Vec<u64>),
}

impl Precondition {
    /// How often an edit is applied anew because others were faster.
    pub(crate) const TRIES: usize = 32;

    /// Whether the version of now is the one that the edit was made on.
    ///
    /// # Errors
    ///
    /// [`AppError::Stale`].
    pub fn check(&self, noun: &'static str, current: u64) -> Result<(), AppError> {
        match self {
            Self::None => Ok(()),
            Self::OneOf(versions) if versions.contains(&current) => Ok(()),
            Self::OneOf(_) => Err(AppError::Stale { noun, current }),
        }
    }
}
