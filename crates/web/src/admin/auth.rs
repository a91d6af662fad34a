//! Who may use the admin API: holders of an admin token.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::{extract::bearer, problem::ApiError};

/// The admin tokens, by their hashes.
pub(super) struct AdminTokens(Vec<[u8; 32]>);

impl AdminTokens {
    pub(super) fn new(hashes: Vec<[u8; 32]>) -> Self {
        Self(hashes)
    }

    /// Looks at every token, so that time does not tell which one was nearly right.
    fn contain(&self, token: &str) -> bool {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        self.0.iter().fold(Choice::from(0), |found, known| found | known.ct_eq(&hash)).into()
    }
}

/// Lets a request with an admin token pass.
pub(super) async fn admins_only(
    State(tokens): State<Arc<AdminTokens>>,
    request: Request,
    next: Next,
) -> Response {
    match bearer(request.headers()) {
        Some(token) if tokens.contain(token) => next.run(request).await,
        _ => {
            tracing::info!(http.path = request.uri().path(), "A request to the admin API had no valid token");
            ApiError::unauthorized().into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_several_tokens_opens_and_no_other() {
        let hash = |token: &str| Sha256::digest(token).into();
        let tokens = AdminTokens::new(vec![hash("one"), hash("two")]);
        assert!(tokens.contain("one") && tokens.contain("two"));
        assert!(!tokens.contain("three") && !tokens.contain(""));
        assert!(!AdminTokens::new(vec![]).contain(""));
    }
}
