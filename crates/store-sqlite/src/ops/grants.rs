//! Codes, grants and tokens.
//!
//! Whether a token works is asked of its grant each time, so that revoking a grant is one row.

use domain::{
    connect::lives::{Grace, Lives, PairLife, Spent, Turn},
    ids::{ApplicationNo, GrantNo, UserId, VehicleId},
    time::Timestamp,
};
use minicbor::bytes::ByteArray;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use store::{Code, EndKind, NewPair, Redeemed, Refreshed, SecretHash, TokenGrant};
use uuid::Uuid;

use super::ledger::{self, End};
use crate::{engine::Tx, error::damaged, rows};

pub(crate) fn grant_token(
    tx: &Tx<'_>,
    hash: &SecretHash,
    application: ApplicationNo,
    user: UserId,
    expires_at: Timestamp,
) -> Result<()> {
    insert_access(tx, hash, application, user, expires_at, None)
}

pub(crate) fn token(conn: &Connection, hash: &SecretHash) -> Result<Option<TokenGrant>> {
    // A token whose grant is gone opens nothing: owners are forgotten grant by grant.
    conn.prepare_cached(
        "SELECT token.application, token.user, token.expires_at, token_grant.vehicles
         FROM token LEFT JOIN token_grant ON token_grant.no = token.grant_no
         WHERE token.hash = ?1
           AND (token.grant_no IS NULL OR (token_grant.no IS NOT NULL AND token_grant.revoked_at IS NULL))",
    )?
    .query_row([hash], |row| {
        Ok(TokenGrant {
            application: ApplicationNo(row.get(0)?),
            user: UserId(rows::uuid(row, 1)?),
            expires_at: rows::moment(row, 2)?,
            vehicles: vehicles_if_any(row, 3)?,
        })
    })
    .optional()
}

pub(crate) fn keep_code(tx: &Tx<'_>, hash: &SecretHash, code: &Code) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO code (hash, application, user, vehicles, redirect_uri, challenge, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        hash,
        code.application.0,
        code.user.0.as_bytes(),
        list(&code.vehicles),
        code.redirect_uri,
        code.challenge,
        code.expires_at.as_micros(),
    ])
    .map(drop)
}

pub(crate) fn code(conn: &Connection, hash: &SecretHash) -> Result<Option<Code>> {
    conn.prepare_cached(
        "SELECT application, user, vehicles, redirect_uri, challenge, expires_at, grant_no
         FROM code WHERE hash = ?1",
    )?
    .query_row([hash], |row| {
        Ok(Code {
            application: ApplicationNo(row.get(0)?),
            user: UserId(rows::uuid(row, 1)?),
            vehicles: vehicles_if_any(row, 2)?.unwrap_or_default(),
            redirect_uri: row.get(3)?,
            challenge: row.get(4)?,
            expires_at: rows::moment(row, 5)?,
            grant: row.get::<_, Option<i64>>(6)?.map(GrantNo),
        })
    })
    .optional()
}

pub(crate) fn spend_code(
    tx: &Tx<'_>,
    hash: &SecretHash,
    application: ApplicationNo,
    pair: &NewPair,
    lives: &Lives,
    now: Timestamp,
) -> Result<Redeemed> {
    let known = code(tx, hash)?.filter(|code| code.application == application && code.expires_at > now);
    let Some(code) = known else { return Ok(Redeemed::Unknown) };
    if let Some(grant) = code.grant {
        revoke_grant(tx, grant, now)?;
        return Ok(Redeemed::Replayed);
    }
    tx.prepare_cached(
        "INSERT INTO token_grant (application, user, vehicles, created_at, idle_at) VALUES (?1, ?2, ?3, ?4, ?4)",
    )?
    .execute(params![application.0, code.user.0.as_bytes(), list(&code.vehicles), now.as_micros()])?;
    let grant = Grant { no: GrantNo(tx.last_insert_rowid()), application, user: code.user, created_at: now };
    tx.prepare_cached("UPDATE code SET grant_no = ?2 WHERE hash = ?1")?.execute(params![hash, grant.no.0])?;
    Ok(Redeemed::Given(give(tx, &grant, pair, lives, now)?))
}

pub(crate) fn refresh(
    tx: &Tx<'_>,
    hash: &SecretHash,
    application: ApplicationNo,
    pair: &NewPair,
    lives: &Lives,
    grace: &Grace,
    now: Timestamp,
) -> Result<Refreshed> {
    let known = refresh_token(tx, hash)?
        .filter(|(grant, token)| grant.application == application && token.expires_at > now);
    let Some((grant, token)) = known else { return Ok(Refreshed::Unknown) };
    match grace.turn(token.spent, now) {
        Turn::Exhausted => Ok(Refreshed::Exhausted),
        Turn::Replayed => {
            revoke_grant(tx, grant.no, now)?;
            Ok(Refreshed::Replayed)
        }
        Turn::Give => {
            tx.prepare_cached(
                "UPDATE refresh_token SET spent_at = ifnull(spent_at, ?2), pairs = pairs + 1 WHERE hash = ?1",
            )?
            .execute(params![hash, now.as_micros()])?;
            Ok(Refreshed::Given(give(tx, &grant, pair, lives, now)?))
        }
    }
}

pub(crate) fn revoke(
    tx: &Tx<'_>,
    hash: &SecretHash,
    application: ApplicationNo,
    now: Timestamp,
) -> Result<bool> {
    let refresh = refresh_token(tx, hash)?
        .filter(|(grant, token)| grant.application == application && token.expires_at > now);
    if let Some((grant, _)) = refresh {
        revoke_grant(tx, grant.no, now)?;
        return Ok(true);
    }
    let removed = tx
        .prepare_cached(
            "DELETE FROM token WHERE hash = ?1 AND application = ?2 AND expires_at > ?3 RETURNING user, expires_at",
        )?
        .query_row(params![hash, application.0, now.as_micros()], |row| {
            Ok((rows::uuid(row, 0)?, rows::moment(row, 1)?))
        })
        .optional()?;
    let Some((user, until)) = removed else { return Ok(false) };
    ledger::note(tx, End { until: Some(until), ..End::new(EndKind::Token, hash, user) })?;
    Ok(true)
}

pub(crate) fn forget_grants(tx: &Tx<'_>, user: UserId) -> Result<()> {
    // Refresh tokens name no owner, open nothing without their grant, and go when they expire.
    for sql in [
        "DELETE FROM code WHERE user = ?1",
        "DELETE FROM token WHERE user = ?1",
        "DELETE FROM token_grant WHERE user = ?1",
    ] {
        tx.prepare_cached(sql)?.execute([user.0.as_bytes()])?;
    }
    Ok(())
}

/// Removes what an application has been granted; it goes with the application.
pub(crate) fn remove_of_application(tx: &Tx<'_>, application: ApplicationNo) -> Result<()> {
    for sql in [
        "DELETE FROM code WHERE application = ?1",
        "DELETE FROM token WHERE application = ?1",
        "DELETE FROM token_grant WHERE application = ?1",
    ] {
        tx.prepare_cached(sql)?.execute([application.0])?;
    }
    Ok(())
}

/// What tokens of a grant inherit.
struct Grant {
    no: GrantNo,
    application: ApplicationNo,
    user: UserId,
    created_at: Timestamp,
}

/// What is known of a refresh token itself.
struct RefreshToken {
    expires_at: Timestamp,
    spent: Option<Spent>,
}

/// A refresh token with its grant, unless that is revoked or gone.
fn refresh_token(conn: &Connection, hash: &SecretHash) -> Result<Option<(Grant, RefreshToken)>> {
    conn.prepare_cached(
        "SELECT g.no, g.application, g.user, g.created_at, r.expires_at, r.spent_at, r.pairs
         FROM refresh_token AS r CROSS JOIN token_grant AS g ON g.no = r.grant_no
         WHERE r.hash = ?1 AND g.revoked_at IS NULL",
    )?
    .query_row([hash], |row| {
        let grant = Grant {
            no: GrantNo(row.get(0)?),
            application: ApplicationNo(row.get(1)?),
            user: UserId(rows::uuid(row, 2)?),
            created_at: rows::moment(row, 3)?,
        };
        let pairs = row.get(6)?;
        let spent = rows::moment_if_any(row, 5)?.map(|at| Spent { at, pairs });
        Ok((grant, RefreshToken { expires_at: rows::moment(row, 4)?, spent }))
    })
    .optional()
}

/// Gives a pair of tokens of a grant.
fn give(tx: &Tx<'_>, grant: &Grant, pair: &NewPair, lives: &Lives, now: Timestamp) -> Result<PairLife> {
    let life = lives.pair(grant.created_at, now);
    insert_access(tx, &pair.access, grant.application, grant.user, life.access, Some(grant.no))?;
    tx.prepare_cached(
        "INSERT INTO refresh_token (hash, grant_no, expires_at, pairs) VALUES (?1, ?2, ?3, 0)",
    )?
    .execute(params![pair.refresh, grant.no.0, life.refresh.as_micros()])?;
    tx.prepare_cached("UPDATE token_grant SET idle_at = max(idle_at, ?2) WHERE no = ?1")?
        .execute(params![grant.no.0, life.access.max(life.refresh).as_micros()])?;
    Ok(life)
}

fn insert_access(
    tx: &Tx<'_>,
    hash: &SecretHash,
    application: ApplicationNo,
    user: UserId,
    expires_at: Timestamp,
    grant: Option<GrantNo>,
) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO token (hash, application, user, expires_at, grant_no) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        hash,
        application.0,
        user.0.as_bytes(),
        expires_at.as_micros(),
        grant.map(|grant| grant.0),
    ])
    .map(drop)
}

pub(crate) fn revoke_grant(tx: &Tx<'_>, no: GrantNo, now: Timestamp) -> Result<()> {
    let revoked = tx
        .prepare_cached(
            "UPDATE token_grant SET revoked_at = ?2 WHERE no = ?1 AND revoked_at IS NULL
             RETURNING user, created_at, idle_at",
        )?
        .query_row(params![no.0, now.as_micros()], |row| {
            Ok((rows::uuid(row, 0)?, rows::moment(row, 1)?, rows::moment(row, 2)?))
        })
        .optional()?;
    let Some((user, created_at, until)) = revoked else { return Ok(()) };
    let key = store::grant_key(UserId(user), created_at, no.0);
    ledger::note(tx, End { until: Some(until), ..End::new(EndKind::Grant, &key, user) })
}

fn list(vehicles: &[VehicleId]) -> Vec<u8> {
    let ids: Vec<ByteArray<16>> = vehicles.iter().map(|id| id.0.into_bytes().into()).collect();
    minicbor::to_vec(ids).expect("writing into a vector cannot fail")
}

fn vehicles_if_any(row: &Row<'_>, column: usize) -> Result<Option<Vec<VehicleId>>> {
    let Some(bytes) = row.get_ref(column)?.as_blob_or_null()? else { return Ok(None) };
    let ids: Vec<ByteArray<16>> =
        minicbor::decode(bytes).map_err(|_| damaged(column, "not a list of vehicles"))?;
    Ok(Some(ids.into_iter().map(|id| VehicleId(Uuid::from_bytes(*id))).collect()))
}
