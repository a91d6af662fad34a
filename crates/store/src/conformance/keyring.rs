//! Promises about the keyring.

use uuid::Uuid;

use super::fixture::at;
use crate::{Keyring, WrappedKey};

const ALICE: Uuid = Uuid::from_u128(1);
const BOB: Uuid = Uuid::from_u128(2);

fn key(text: &str) -> WrappedKey {
    WrappedKey(text.as_bytes().to_vec())
}

pub async fn the_first_key_of_a_subject_stays(keyring: &dyn Keyring) {
    let first = keyring.add(vec![(ALICE, key("a1"))]).await.expect("adds");
    assert_eq!(first, [Some(key("a1"))]);
    let again =
        keyring.add(vec![(BOB, key("b1")), (ALICE, key("a2")), (BOB, key("b2"))]).await.expect("adds");
    assert_eq!(again, [Some(key("b1")), Some(key("a1")), Some(key("b1"))]);
    let keys = keyring.keys(vec![BOB, Uuid::from_u128(3), ALICE]).await.expect("reads");
    assert_eq!(keys, [Some(key("b1")), None, Some(key("a1"))]);
}

pub async fn an_erased_key_is_gone_for_good(keyring: &dyn Keyring) {
    keyring.add(vec![(ALICE, key("a1")), (BOB, key("b1"))]).await.expect("adds");
    keyring.erase(ALICE, at(1)).await.expect("erases");
    assert_eq!(keyring.keys(vec![ALICE, BOB]).await.expect("reads"), [None, Some(key("b1"))]);
    let again = keyring.add(vec![(ALICE, key("a2"))]).await.expect("answers");
    assert_eq!(again, [None]);
    assert_eq!(keyring.keys(vec![ALICE]).await.expect("reads"), [None]);
}

pub async fn the_ledger_has_every_erasure_with_its_first_moment(keyring: &dyn Keyring) {
    assert_eq!(keyring.erased().await.expect("reads"), []);
    keyring.erase(BOB, at(1)).await.expect("erases what has no key");
    keyring.add(vec![(ALICE, key("a1"))]).await.expect("adds");
    keyring.erase(ALICE, at(2)).await.expect("erases");
    keyring.erase(BOB, at(3)).await.expect("erases again");
    assert_eq!(keyring.erased().await.expect("reads"), [(BOB, at(1)), (ALICE, at(2))]);
}

pub async fn a_note_is_kept(keyring: &dyn Keyring) {
    assert_eq!(keyring.note("check").await.expect("reads"), None);
    keyring.set_note("check", b"one".to_vec()).await.expect("keeps");
    keyring.set_note("check", b"two".to_vec()).await.expect("keeps");
    assert_eq!(keyring.note("check").await.expect("reads"), Some(b"two".to_vec()));
    assert_eq!(keyring.note("other").await.expect("reads"), None);
}
