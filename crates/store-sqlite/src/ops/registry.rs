//! Applications, secrets, webhooks, sweeps and kept answers.

use domain::{
    connect::{
        PermissionSet,
        country::Country,
        defaults::{Defaults, Wanted},
    },
    ids::{ApplicationId, ApplicationNo, EventNo, FeedId, VehicleNo, WebhookId, WebhookNo},
    time::Timestamp,
    webhook::{Revision, Status, Webhook},
};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use store::{
    Application, Edited, EndKind, Feed, KeepAnswer, Kept, NewApplication, NewWebhook, Newer, RetiringToken,
    Scope, Secret, StoredWebhook, Sweep, SwitchedOff, Tombstone, WebhookChange, WebhookState,
};

use super::{
    grants,
    ledger::{self, End},
    tombstones,
};
use crate::{engine::Tx, error::damaged, rows};

pub(crate) fn create_application(tx: &Tx<'_>, new: &NewApplication) -> Result<Application> {
    tx.prepare_cached(
        "INSERT INTO application (id, name, redirect_uris, plan, management_token, created_at,
             connect_permissions, connect_required, connect_country)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        new.id.0.as_bytes(),
        new.name,
        texts(&new.redirect_uris),
        new.plan,
        new.management_token,
        new.created_at.as_micros(),
        new.connect.permissions.map(|wanted| wanted.asked.bits()),
        new.connect.permissions.map(|wanted| wanted.required.bits()),
        new.connect.country.map(|country| country.code),
    ])?;
    let no = ApplicationNo(tx.last_insert_rowid());
    insert_secret(tx, no, &new.secret)?;
    Ok(Application {
        no,
        id: new.id,
        name: new.name.clone(),
        redirect_uris: new.redirect_uris.clone(),
        plan: new.plan.clone(),
        connect: new.connect,
        management_token: new.management_token.clone(),
        retiring: None,
        created_at: new.created_at,
        version: 1,
    })
}

const APPLICATION: &str =
    "SELECT no, id, name, redirect_uris, plan, management_token, created_at, retiring_token,
         retiring_until, connect_permissions, connect_required, connect_country, version
     FROM application";

pub(crate) fn applications(conn: &Connection) -> Result<Vec<Application>> {
    conn.prepare_cached(&format!("{APPLICATION} ORDER BY no"))?.query_map([], application)?.collect()
}

pub(crate) fn update_application(
    tx: &Tx<'_>,
    no: ApplicationNo,
    version: u64,
    name: &str,
    redirect_uris: &[String],
    plan: &str,
    connect: &Defaults,
) -> Result<Edited<Application>> {
    let updated = tx
        .prepare_cached(
            "UPDATE application
         SET name = ?3, redirect_uris = ?4, plan = ?5, connect_permissions = ?6, connect_required = ?7,
             connect_country = ?8, version = version + 1
         WHERE no = ?1 AND version = ?2",
        )?
        .execute(params![
            no.0,
            rows::from_count(version),
            name,
            texts(redirect_uris),
            plan,
            connect.permissions.map(|wanted| wanted.asked.bits()),
            connect.permissions.map(|wanted| wanted.required.bits()),
            connect.country.map(|country| country.code),
        ])?;
    let edited = edited(tx, no, updated)?;
    if let Edited::Done(now) = &edited {
        let (id, settings) = (now.id.0, encode(&(redirect_uris.to_vec(), plan)));
        ledger::note(tx, End { value: settings, ..End::new(EndKind::Application, id.as_bytes(), id) })?;
    }
    Ok(edited)
}

/// What became of an edit of an application that has changed so many rows.
fn edited(tx: &Tx<'_>, no: ApplicationNo, updated: usize) -> Result<Edited<Application>> {
    let now = tx
        .prepare_cached(&format!("{APPLICATION} WHERE no = ?1"))?
        .query_row([no.0], application)
        .optional()?;
    Ok(match (now, updated) {
        (None, _) => Edited::Gone,
        (Some(now), 0) => Edited::Stale(now),
        (Some(now), _) => Edited::Done(now),
    })
}

pub(crate) fn delete_application(tx: &Tx<'_>, no: ApplicationNo) -> Result<bool> {
    let in_use: bool = tx
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM connection WHERE application = ?1)
                 OR EXISTS (SELECT 1 FROM webhook WHERE application = ?1 AND deleted_at IS NULL)",
        )?
        .query_row([no.0], |row| row.get(0))?;
    if in_use {
        return Ok(false);
    }
    ledger::forget(tx, ledger::application_id(tx, no)?.0)?;
    tx.prepare_cached("DELETE FROM secret WHERE application = ?1")?.execute([no.0])?;
    grants::remove_of_application(tx, no)?;
    tx.prepare_cached("DELETE FROM feed WHERE application = ?1")?.execute([no.0])?;
    tx.prepare_cached("DELETE FROM owner WHERE application = ?1")?.execute([no.0])?;
    Ok(tx.prepare_cached("DELETE FROM application WHERE no = ?1")?.execute([no.0])? > 0)
}

pub(crate) fn set_management_token(
    tx: &Tx<'_>,
    no: ApplicationNo,
    version: u64,
    sealed: &[u8],
    retiring: Option<&RetiringToken>,
) -> Result<Edited<Application>> {
    let updated = tx
        .prepare_cached(
            "UPDATE application SET management_token = ?3, retiring_token = ?4, retiring_until = ?5,
                 version = version + 1
             WHERE no = ?1 AND version = ?2",
        )?
        .execute(params![
            no.0,
            rows::from_count(version),
            sealed,
            retiring.map(|retiring| &retiring.sealed),
            retiring.map(|retiring| retiring.until.as_micros()),
        ])?;
    let edited = edited(tx, no, updated)?;
    if let Edited::Done(now) = &edited {
        let id = now.id.0;
        let tokens = Tokens {
            sealed: sealed.to_vec(),
            retiring: retiring.map(|retiring| retiring.sealed.clone()),
            until: retiring.map(|retiring| retiring.until.as_micros()),
        };
        ledger::note(
            tx,
            End { value: encode(&tokens), ..End::new(EndKind::ManagementToken, id.as_bytes(), id) },
        )?;
    }
    Ok(edited)
}

/// The management tokens of an application in the ledger.
#[derive(minicbor::Encode, minicbor::Decode)]
pub(crate) struct Tokens {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) sealed: Vec<u8>,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) retiring: Option<Vec<u8>>,
    #[n(2)]
    pub(crate) until: Option<i64>,
}

pub(crate) fn secrets(conn: &Connection, no: ApplicationNo) -> Result<Vec<Secret>> {
    conn.prepare_cached("SELECT hash, hint, created_at FROM secret WHERE application = ?1 ORDER BY no")?
        .query_map([no.0], |row| {
            Ok(Secret { hash: row.get(0)?, hint: row.get(1)?, created_at: rows::moment(row, 2)? })
        })?
        .collect()
}

pub(crate) fn add_secret(tx: &Tx<'_>, no: ApplicationNo, secret: &Secret, most: usize) -> Result<bool> {
    if count_secrets(tx, no)? >= most {
        return Ok(false);
    }
    insert_secret(tx, no, secret)?;
    Ok(true)
}

pub(crate) fn remove_secret(tx: &Tx<'_>, no: ApplicationNo, hint: &str) -> Result<bool> {
    if count_secrets(tx, no)? <= 1 {
        return Ok(false);
    }
    // Hints may agree by chance: the oldest goes.
    let removed: Option<Vec<u8>> = tx
        .prepare_cached(
            "DELETE FROM secret
             WHERE no = (SELECT no FROM secret WHERE application = ?1 AND hint = ?2 ORDER BY no LIMIT 1)
             RETURNING hash",
        )?
        .query_row(params![no.0, hint], |row| row.get(0))
        .optional()?;
    let Some(hash) = removed else { return Ok(false) };
    ledger::note(tx, End::new(EndKind::Secret, &hash, ledger::application_id(tx, no)?.0))?;
    Ok(true)
}

pub(crate) fn create_webhook(tx: &Tx<'_>, new: &NewWebhook) -> Result<StoredWebhook> {
    tx.prepare_cached(
        "INSERT INTO webhook (id, application, name, verified, revision, last_verification, last_test, created_at,
             auto_subscribe, verifying)
         VALUES (?1, ?2, ?3, 0, ?4, x'', x'', ?5, ?6, ?7)",
    )?
    .execute(params![
        new.id.0.as_bytes(),
        new.application.0,
        new.name,
        new.revision.number,
        new.created_at.as_micros(),
        new.auto_subscribe,
        new.verify,
    ])?;
    let no = WebhookNo(tx.last_insert_rowid());
    insert_revision(tx, no, &new.revision)?;
    let webhook = Webhook {
        no,
        id: new.id,
        application: new.application,
        name: new.name.clone(),
        status: Status::default(),
        revision: new.revision.clone(),
    };
    Ok(StoredWebhook {
        webhook,
        auto_subscribe: new.auto_subscribe,
        auto_after: VehicleNo(0),
        created_at: new.created_at,
        last_verification: Vec::new(),
        last_test: Vec::new(),
        last_error_verification: Vec::new(),
        verified_error_uri: None,
        verifying: new.verify,
        switched_off: None,
        changes: 0,
    })
}

const WEBHOOK: &str = "SELECT webhook.no, id, application, name, verified, disabled, body, created_at,
        last_verification, last_test, epoch, auto_subscribe, auto_after, last_error_verification, verified_error_uri,
        verifying, disabled_at, disabled_status, disabled_failure, changes
    FROM webhook JOIN webhook_revision AS r ON r.webhook = webhook.no AND r.number = webhook.revision
    WHERE deleted_at IS NULL";

pub(crate) fn webhooks(conn: &Connection) -> Result<Vec<StoredWebhook>> {
    conn.prepare_cached(&format!("{WEBHOOK} ORDER BY webhook.no"))?.query_map([], webhook)?.collect()
}

pub(crate) fn deleted_webhooks(conn: &Connection) -> Result<Vec<(WebhookNo, WebhookId)>> {
    conn.prepare_cached("SELECT no, id FROM webhook WHERE deleted_at IS NOT NULL ORDER BY no")?
        .query_map([], |row| Ok((WebhookNo(row.get(0)?), WebhookId(rows::uuid(row, 1)?))))?
        .collect()
}

pub(crate) fn revision(conn: &Connection, webhook: WebhookNo, number: u32) -> Result<Option<Revision>> {
    conn.prepare_cached("SELECT body FROM webhook_revision WHERE webhook = ?1 AND number = ?2")?
        .query_row(params![webhook.0, number], |row| decode(row, 0))
        .optional()
}

pub(crate) fn change_webhook(
    tx: &Tx<'_>,
    no: WebhookNo,
    change: &WebhookChange,
) -> Result<Edited<(StoredWebhook, Option<Tombstone>)>> {
    let Some(before) = one_webhook(tx, no)? else { return Ok(Edited::Gone) };
    let mut tombstone = None;
    match change {
        WebhookChange::Revise { name, revision, verified, sweep, auto_subscribe, errors_moved, verify } => {
            if revision.number != before.webhook.revision.number + 1 {
                return Ok(Edited::Stale((before, None)));
            }
            insert_revision(tx, no, revision)?;
            // An edit never verifies: it only leaves a verification standing or takes it away.
            tx.prepare_cached(
                "UPDATE webhook SET name = ?2, revision = ?3, verified = verified AND ?4, auto_subscribe = ?5,
                     verified_error_uri = iif(?6, NULL, verified_error_uri), verifying = verifying OR ?7
                 WHERE no = ?1",
            )?
            .execute(params![
                no.0,
                name,
                revision.number,
                verified,
                auto_subscribe,
                errors_moved,
                verify
            ])?;
            if *sweep {
                begin_sweep(tx, no, revision.number)?;
            }
            let now = &before.webhook.revision;
            if now.callback_uri != revision.callback_uri || now.error_uri != revision.error_uri {
                note_webhook(tx, no, EndKind::Destination, revision.number.to_be_bytes().to_vec())?;
            }
        }
        WebhookChange::Verification { uri, result, passed } => {
            // What another URI has answered counts for nothing: that of now is still to be challenged.
            let is_current = before.webhook.revision.callback_uri == *uri;
            tx.prepare_cached(
                "UPDATE webhook SET last_verification = ?2, verified = verified OR ?3, verifying = verifying AND NOT ?4
                 WHERE no = ?1",
            )?
            .execute(params![no.0, result, *passed && is_current, is_current])?;
        }
        WebhookChange::ErrorVerification { uri, result, passed } => {
            let is_current = before.webhook.revision.error_uri.as_ref() == Some(uri);
            let passed = *passed && is_current;
            tx.prepare_cached(
                "UPDATE webhook SET last_error_verification = ?2, verified_error_uri = iif(?3, ?4, verified_error_uri)
                 WHERE no = ?1",
            )?
            .execute(params![no.0, result, passed, uri])?;
            if passed && before.verified_error_uri.as_ref() != Some(uri) {
                begin_sweep(tx, no, before.webhook.revision.number)?;
            }
        }
        WebhookChange::Test { result } => {
            tx.prepare_cached("UPDATE webhook SET last_test = ?2 WHERE no = ?1")?
                .execute(params![no.0, result])?;
        }
        WebhookChange::Enable => {
            tx.prepare_cached(
                "UPDATE webhook SET disabled = NULL, disabled_at = NULL, disabled_status = NULL, disabled_failure = NULL
                 WHERE no = ?1",
            )?
            .execute([no.0])?;
            let id = before.webhook.id.0;
            ledger::touch(tx, EndKind::Webhook, id.as_bytes(), &WebhookState::On.to_value())?;
        }
        WebhookChange::Disable { why, since } => {
            tx.prepare_cached(
                "UPDATE webhook SET disabled = ?2, disabled_at = ?3, disabled_status = ?4, disabled_failure = ?5
                 WHERE no = ?1",
            )?
            .execute(params![
                no.0,
                rows::disabled_number(*why),
                since.at.as_micros(),
                since.status,
                since.failure
            ])?;
            let state = WebhookState::Off(rows::disabled_number(*why));
            note_webhook(tx, no, EndKind::Webhook, state.to_value())?;
            tombstone = Some(tombstones::write(tx, Scope::Webhook(no))?);
        }
        WebhookChange::Delete { now } => {
            tx.prepare_cached("UPDATE webhook SET deleted_at = ?2 WHERE no = ?1")?
                .execute(params![no.0, now.as_micros()])?;
            tx.prepare_cached("DELETE FROM sweep WHERE webhook = ?1")?.execute([no.0])?;
            note_webhook(tx, no, EndKind::Webhook, WebhookState::Deleted.to_value())?;
            return Ok(Edited::Done((before, Some(tombstones::write(tx, Scope::Webhook(no))?))));
        }
    }
    tx.prepare_cached("UPDATE webhook SET changes = changes + 1 WHERE no = ?1")?.execute([no.0])?;
    let mut after = one_webhook(tx, no)?;
    if let Some(after) = &mut after
        && after.webhook.status.delivers()
        && !before.webhook.status.delivers()
    {
        begin_to_deliver(tx, after)?;
    }
    Ok(after.map_or(Edited::Gone, |after| Edited::Done((after, tombstone))))
}

fn note_webhook(tx: &Tx<'_>, no: WebhookNo, kind: EndKind, value: Vec<u8>) -> Result<()> {
    let Some((id, application)) = ledger::webhook_and_application(tx, no)? else { return Ok(()) };
    ledger::note(tx, End { value, ..End::new(kind, id.as_bytes(), application) })
}

/// The webhook delivers from now on. Vehicles that a webhook watches are told by a sweep: they owe it a first delivery.
fn begin_to_deliver(tx: &Tx<'_>, webhook: &mut StoredWebhook) -> Result<()> {
    let webhook = &mut webhook.webhook;
    webhook.status.epoch += 1;
    tx.prepare_cached("UPDATE webhook SET epoch = ?2 WHERE no = ?1")?
        .execute(params![webhook.no.0, webhook.status.epoch])?;
    if webhook.revision.plan.endpoints().is_none() {
        begin_sweep(tx, webhook.no, webhook.revision.number)?;
    }
    Ok(())
}

pub(crate) fn advance_auto(tx: &Tx<'_>, no: WebhookNo, after: VehicleNo) -> Result<()> {
    tx.prepare_cached("UPDATE webhook SET auto_after = ?2 WHERE no = ?1")?
        .execute(params![no.0, after.0])
        .map(drop)
}

pub(crate) fn create_feed(tx: &Tx<'_>, feed: &Feed, most: usize) -> Result<bool> {
    let there: i64 = tx
        .prepare_cached("SELECT count(*) FROM feed WHERE application = ?1")?
        .query_row([feed.application.0], |row| row.get(0))?;
    if there >= rows::limit(most) {
        return Ok(false);
    }
    tx.prepare_cached(
        "INSERT INTO feed (id, application, name, hash, hint, newer, hold_ms, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        feed.id.0.as_bytes(),
        feed.application.0,
        feed.name,
        feed.hash,
        feed.hint,
        feed.newer as u8,
        feed.hold_ms,
        feed.created_at.as_micros(),
    ])?;
    Ok(true)
}

pub(crate) fn feeds(conn: &Connection) -> Result<Vec<Feed>> {
    conn.prepare_cached(
        "SELECT id, application, name, hash, hint, newer, hold_ms, created_at FROM feed ORDER BY no",
    )?
    .query_map([], |row| {
        Ok(Feed {
            id: FeedId(rows::uuid(row, 0)?),
            application: ApplicationNo(row.get(1)?),
            name: row.get(2)?,
            hash: row.get(3)?,
            hint: row.get(4)?,
            newer: Newer::from_number(row.get(5)?).ok_or_else(|| damaged(5, "no such order"))?,
            hold_ms: row.get(6)?,
            created_at: rows::moment(row, 7)?,
        })
    })?
    .collect()
}

pub(crate) fn delete_feed(tx: &Tx<'_>, id: FeedId) -> Result<bool> {
    let application: Option<i64> = tx
        .prepare_cached("DELETE FROM feed WHERE id = ?1 RETURNING application")?
        .query_row([id.0.as_bytes()], |row| row.get(0))
        .optional()?;
    let Some(application) = application else { return Ok(false) };
    let owner = ledger::application_id(tx, ApplicationNo(application))?.0;
    ledger::note(tx, End::new(EndKind::Feed, id.0.as_bytes(), owner))?;
    Ok(true)
}

pub(crate) fn sweeps(conn: &Connection) -> Result<Vec<Sweep>> {
    conn.prepare_cached("SELECT webhook, revision, after_vehicle, done FROM sweep ORDER BY webhook")?
        .query_map([], |row| {
            Ok(Sweep {
                webhook: WebhookNo(row.get(0)?),
                revision: row.get(1)?,
                after: row.get::<_, Option<i64>>(2)?.map(VehicleNo),
                done: rows::count(row, 3)?,
            })
        })?
        .collect()
}

pub(crate) fn advance_sweep(tx: &Tx<'_>, sweep: Sweep) -> Result<()> {
    tx.prepare_cached("UPDATE sweep SET after_vehicle = ?3, done = ?4 WHERE webhook = ?1 AND revision = ?2")?
        .execute(params![
            sweep.webhook.0,
            sweep.revision,
            sweep.after.map(|vehicle| vehicle.0),
            rows::from_count(sweep.done),
        ])
        .map(drop)
}

pub(crate) fn end_sweep(tx: &Tx<'_>, sweep: Sweep) -> Result<()> {
    tx.prepare_cached("DELETE FROM sweep WHERE webhook = ?1 AND revision = ?2")?
        .execute(params![sweep.webhook.0, sweep.revision])
        .map(drop)
}

pub(crate) fn kept(conn: &Connection, key: &str) -> Result<Option<Kept>> {
    conn.prepare_cached("SELECT request, status, body, event FROM kept WHERE key = ?1")?
        .query_row([key], |row| {
            Ok(Kept {
                request: row.get(0)?,
                status: row.get(1)?,
                body: row.get(2)?,
                event: row.get::<_, Option<i64>>(3)?.map(EventNo),
            })
        })
        .optional()
}

pub(crate) fn keep(tx: &Tx<'_>, key: &str, answer: &Kept, now: Timestamp) -> Result<Kept> {
    if let Some(first) = kept(tx, key)? {
        return Ok(first);
    }
    tx.prepare_cached("INSERT INTO kept (key, request, status, body, kept_at) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![key, answer.request, answer.status, answer.body, now.as_micros()])?;
    Ok(answer.clone())
}

/// Keeps an answer with the work that it is about. A key that has an answer makes the transaction fail.
pub(crate) fn keep_with(tx: &Tx<'_>, keep: &KeepAnswer) -> Result<()> {
    let Kept { request, status, body, .. } = &keep.answer;
    let event = if keep.names_event { Some(tx.events.last(tx)?) } else { None };
    tx.prepare_cached(
        "INSERT INTO kept (key, request, status, body, event, kept_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![keep.key, request, status, body, event, keep.now.as_micros()])
    .map(drop)
}

pub(crate) fn replace_kept(tx: &Tx<'_>, key: &str, answer: &Kept) -> Result<()> {
    tx.prepare_cached("UPDATE kept SET request = ?2, status = ?3, body = ?4, event = ?5 WHERE key = ?1")?
        .execute(params![key, answer.request, answer.status, answer.body, answer.event.map(|event| event.0)])
        .map(drop)
}

fn insert_secret(tx: &Tx<'_>, no: ApplicationNo, secret: &Secret) -> Result<()> {
    tx.prepare_cached("INSERT INTO secret (application, hash, hint, created_at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![no.0, secret.hash, secret.hint, secret.created_at.as_micros()])
        .map(drop)
}

fn count_secrets(tx: &Tx<'_>, no: ApplicationNo) -> Result<usize> {
    tx.prepare_cached("SELECT count(*) FROM secret WHERE application = ?1")?
        .query_row([no.0], |row| row.get::<_, u32>(0).map(|count| count as usize))
}

fn insert_revision(tx: &Tx<'_>, webhook: WebhookNo, revision: &Revision) -> Result<()> {
    tx.prepare_cached("INSERT INTO webhook_revision (webhook, number, body) VALUES (?1, ?2, ?3)")?
        .execute(params![webhook.0, revision.number, encode(revision)])
        .map(drop)
}

fn begin_sweep(tx: &Tx<'_>, webhook: WebhookNo, revision: u32) -> Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO sweep (webhook, revision, done) VALUES (?1, ?2, 0)")?
        .execute(params![webhook.0, revision])
        .map(drop)
}

fn one_webhook(tx: &Tx<'_>, no: WebhookNo) -> Result<Option<StoredWebhook>> {
    tx.prepare_cached(&format!("{WEBHOOK} AND webhook.no = ?1"))?.query_row([no.0], webhook).optional()
}

fn application(row: &Row<'_>) -> Result<Application> {
    Ok(Application {
        no: ApplicationNo(row.get(0)?),
        id: ApplicationId(rows::uuid(row, 1)?),
        name: row.get(2)?,
        redirect_uris: decode(row, 3)?,
        plan: row.get(4)?,
        connect: connect(row)?,
        management_token: row.get(5)?,
        retiring: match (row.get(7)?, rows::moment_if_any(row, 8)?) {
            (Some(sealed), Some(until)) => Some(RetiringToken { sealed, until }),
            _ => None,
        },
        created_at: rows::moment(row, 6)?,
        version: rows::count(row, 12)?,
    })
}

fn connect(row: &Row<'_>) -> Result<Defaults> {
    let set = |column| -> Result<Option<PermissionSet>> {
        Ok(row.get::<_, Option<u32>>(column)?.map(PermissionSet::from_bits))
    };
    let permissions = set(9)?.zip(set(10)?).map(|(asked, required)| Wanted { asked, required });
    // A country that this program does not know counts as left open.
    let country = row.get::<_, Option<String>>(11)?.as_deref().and_then(Country::find);
    Ok(Defaults { permissions, country })
}

fn webhook(row: &Row<'_>) -> Result<StoredWebhook> {
    let webhook = Webhook {
        no: WebhookNo(row.get(0)?),
        id: WebhookId(rows::uuid(row, 1)?),
        application: ApplicationNo(row.get(2)?),
        name: row.get(3)?,
        status: Status {
            verified: row.get(4)?,
            disabled: rows::disabled(row, 5)?,
            epoch: row.get(10)?,
            ..Status::default()
        },
        revision: decode(row, 6)?,
    };
    Ok(StoredWebhook {
        webhook,
        auto_subscribe: row.get(11)?,
        auto_after: VehicleNo(row.get(12)?),
        created_at: rows::moment(row, 7)?,
        last_verification: row.get(8)?,
        last_test: row.get(9)?,
        last_error_verification: row.get(13)?,
        verified_error_uri: row.get(14)?,
        verifying: row.get(15)?,
        switched_off: match rows::moment_if_any(row, 16)? {
            None => None,
            Some(at) => Some(SwitchedOff { at, status: row.get(17)?, failure: row.get(18)? }),
        },
        changes: rows::count(row, 19)?,
    })
}

fn texts(texts: &[String]) -> Vec<u8> {
    encode(texts)
}

pub(crate) fn encode<T: minicbor::Encode<()> + ?Sized>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value).expect("writing into a vector cannot fail")
}

fn decode<T: for<'b> minicbor::Decode<'b, ()>>(row: &Row<'_>, column: usize) -> Result<T> {
    minicbor::decode(row.get_ref(column)?.as_blob()?)
        .map_err(|_| damaged(column, "not the CBOR that was expected"))
}
