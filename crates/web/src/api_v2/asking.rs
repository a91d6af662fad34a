//! What is asked of a vehicle, answered read by read: one request, or all paths of a batch.
//!
//! Each read is checked in the same order: a brand that is spelt wrong, what the vehicle is capable of, what its owner
//! has granted. What passes is counted, and one look at the vehicle answers it; what failed is not counted.

use std::collections::BTreeMap;

use app::{App, AppError, CapacityChoice};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use domain::{
    errors::ErrorCode,
    payload::{
        Links,
        v2::rest::{self, Read, Within},
    },
    signal::{BrandRead, Endpoint},
    units::UnitSystem,
    vehicle::Fault,
};
use serde::Serialize;
use store::VehicleRow;

use super::error::V2Error;

/// What a path below a vehicle asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Read(Read),
    /// A read of a brand, with the brand's name in upper case.
    Shouted,
    Permissions,
}

impl Target {
    /// What a path asks for: `/odometer`, with or without a slash at the end; `None` for paths that there are not.
    pub(super) fn of(path: &str) -> Option<Self> {
        let path = match path.trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        if path == "/permissions" {
            return Some(Self::Permissions);
        }
        if let Ok(endpoint) = Endpoint::from_path(path) {
            return Some(Self::Read(Read::Core(endpoint)));
        }
        let read = BrandRead::find(path)?;
        Some(if read.path() == path { Self::Read(Read::Brand(read)) } else { Self::Shouted })
    }

    /// What the owner has to grant for it.
    fn permission(self) -> Option<domain::connect::Permission> {
        match self {
            Self::Read(Read::Core(endpoint)) => Some(endpoint.permission()),
            Self::Read(Read::Brand(read)) => Some(read.permission()),
            Self::Shouted | Self::Permissions => None,
        }
    }
}

/// What is asked for, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub(super) target: Target,
    pub(super) wish: Wish,
}

/// Which part of an answer somebody wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    /// Of permissions: which part of them.
    pub(super) page: Page,
    /// Of a service history, and of charging sessions.
    pub(super) within: Within,
    /// Of charging sessions: the page, from 1 on.
    pub(super) sheet: usize,
}

impl Default for Wish {
    fn default() -> Self {
        Self { page: Page::default(), within: Within::default(), sheet: 1 }
    }
}

/// A part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) limit: usize,
    pub(super) offset: usize,
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: 25, offset: 0 }
    }
}

/// Where a page is in its list.
#[derive(Serialize)]
pub(super) struct Paging {
    pub(super) count: usize,
    pub(super) offset: usize,
}

#[derive(Serialize)]
struct Permissions {
    permissions: Vec<&'static str>,
    paging: Paging,
}

/// An answer: its body, and what its headers say of it.
pub(super) struct Answered {
    pub(super) body: String,
    pub(super) headers: BTreeMap<&'static str, String>,
}

/// The units that a request asks for.
pub(super) fn units(headers: &HeaderMap) -> Result<UnitSystem, V2Error> {
    match headers.get("sc-unit-system").map(HeaderValue::as_bytes) {
        None | Some(b"metric" | b"") => Ok(UnitSystem::Metric),
        Some(b"imperial") => Ok(UnitSystem::Imperial),
        Some(_) => Err(V2Error::unacceptable("sc-unit-system", "the unit system is metric or imperial")),
    }
}

/// Answers what is asked of a vehicle, in the order asked.
pub(super) async fn answers(
    app: &App,
    row: &VehicleRow,
    questions: &[Question],
    units: UnitSystem,
) -> Result<Vec<Result<Answered, V2Error>>, V2Error> {
    let links = app.application_of_no(row.application)?.links.clone();
    let checked: Vec<Result<(), ErrorCode>> =
        questions.iter().map(|question| check(app, row, question.target)).collect();
    let allowed = questions.iter().zip(&checked).filter(|(_, checked)| checked.is_ok());
    let reads: Vec<Read> = allowed
        .filter_map(|(question, _)| match question.target {
            Target::Read(read) => Some(read),
            Target::Shouted | Target::Permissions => None,
        })
        .collect();
    let counted = u32::try_from(reads.len()).unwrap_or(u32::MAX);
    let look = if reads.is_empty() {
        None
    } else {
        app.spend_requests(row, counted).await.map_err(|error| error_of(error, &links, row))?;
        match app.look(row, &reads).await {
            Ok(look) => Some(Ok(look)),
            Err(AppError::Vehicle(fault)) => Some(Err(fault)),
            Err(error) => {
                app.give_back_requests(row, counted).await?;
                return Err(error_of(error, &links, row));
            }
        }
    };
    let choice = if reads.iter().any(is_capacity) { app.capacity_choice(row).await? } else { None };
    let known = || choice.iter().flat_map(|choice| choice.available.clone()).collect();
    let answer = |(question, checked): (&Question, Result<(), ErrorCode>)| {
        checked.map_err(|code| error(code.into(), &links, row))?;
        match (question.target, &look) {
            (Target::Permissions, _) => Ok(permissions(row, question.wish.page)),
            (Target::Read(read), Some(Ok(look))) => match settled(read, look.answer(read, units), &choice) {
                Ok(answer) => Ok(answered(read, answer, question.wish)),
                Err(fault) => {
                    let open = if choice.is_some() { known() } else { look.capacities() };
                    Err(error(fault, &links, row).with_capacities(open))
                }
            },
            (Target::Read(_), Some(Err(fault))) => Err(error(*fault, &links, row).with_capacities(known())),
            (Target::Read(_) | Target::Shouted, _) => Err(ErrorCode::PERMISSION.into()),
        }
    };
    let answers: Vec<_> = questions.iter().zip(checked).map(answer).collect();
    let read = |question: &&Question| matches!(question.target, Target::Read(_));
    let failed =
        questions.iter().zip(&answers).filter(|(question, answer)| read(question) && answer.is_err());
    let refused = questions.iter().filter(read).count() - reads.len();
    let failed = u32::try_from(failed.count() - refused).unwrap_or(u32::MAX);
    app.give_back_requests(row, failed).await?;
    Ok(answers)
}

fn is_capacity(read: &Read) -> bool {
    matches!(read, Read::Core(Endpoint::BatteryCapacity | Endpoint::NominalCapacity))
}

/// An answer about a battery that the brand does not settle, with what the owner has chosen. Only one of the reads can show
/// that nothing is chosen yet.
fn settled(
    read: Read,
    answer: Result<rest::Answer, Fault>,
    choice: &Option<CapacityChoice>,
) -> Result<rest::Answer, Fault> {
    let Some(CapacityChoice { available, chosen, link }) = choice.as_ref().filter(|_| is_capacity(&read))
    else {
        return answer;
    };
    let body = match (read, *chosen) {
        (Read::Core(Endpoint::NominalCapacity), chosen) => rest::capacity_choice(available, chosen, link),
        (_, Some(chosen)) => rest::capacity(chosen),
        (_, None) => return Err(ErrorCode::SERVER_MULTIPLE_RECORDS_FOUND.into()),
    };
    Ok(rest::Answer { body, ..answer? })
}

/// Whether something may be asked of a vehicle.
fn check(app: &App, row: &VehicleRow, target: Target) -> Result<(), ErrorCode> {
    if target == Target::Shouted {
        return Err(ErrorCode::PERMISSION);
    }
    if let Target::Read(read) = target {
        app.capable_of_read(row, read)?;
    }
    match target.permission() {
        Some(permission) if !row.permissions.contains(permission) => Err(ErrorCode::PERMISSION),
        _ => Ok(()),
    }
}

fn permissions(row: &VehicleRow, page: Page) -> Answered {
    let granted: Vec<_> = row.permissions.iter().map(domain::connect::Permission::as_str).collect();
    let paging = Paging { count: granted.len(), offset: page.offset };
    let permissions = granted.into_iter().skip(page.offset).take(page.limit).collect();
    let body = serde_json::to_string(&Permissions { permissions, paging }).expect("texts and numbers");
    Answered { body, headers: BTreeMap::new() }
}

pub(super) fn answered(read: Read, answer: rest::Answer, wish: Wish) -> Answered {
    let mut headers = BTreeMap::new();
    headers.extend(answer.data_age.map(|at| ("sc-data-age", at.to_string())));
    headers.extend(answer.fetched_at.map(|at| ("sc-fetched-at", at.to_string())));
    headers.extend(answer.units.map(|units| ("sc-unit-system", units.as_str().to_owned())));
    let body = match read {
        Read::Core(Endpoint::ServiceHistory) => rest::visits_within(&answer.body, wish.within),
        Read::Brand(read) if read.has_sessions() => {
            rest::sessions_within(&answer.body, wish.within, wish.sheet)
        }
        Read::Core(_) | Read::Brand(_) => answer.body,
    };
    Answered { body, headers }
}

/// An error about a vehicle, with where its owner can do something about it.
pub(super) fn error(fault: Fault, links: &Links, row: &VehicleRow) -> V2Error {
    V2Error::from(fault).with_url(links.resolution_url(fault.code, row.info.id))
}

/// What a use-case says of a vehicle. One that is not there any more is not connected.
pub(super) fn error_of(cause: AppError, links: &Links, row: &VehicleRow) -> V2Error {
    match cause {
        AppError::Vehicle(fault) => error(fault, links, row),
        AppError::NotFound(_) => ErrorCode::PERMISSION.into(),
        other => other.into(),
    }
}

impl Answered {
    /// The answer of a request for it alone.
    pub(super) fn into_response(self) -> axum::response::Response {
        let mut response = axum::response::Response::new(self.body.into());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in self.headers {
            let value = HeaderValue::try_from(value).expect("moments and words are ASCII");
            headers.insert(HeaderName::from_static(name), value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_what_they_ask_for() {
        let core = |endpoint| Some(Target::Read(Read::Core(endpoint)));
        assert_eq!(Target::of("/"), core(Endpoint::Attributes));
        assert_eq!(Target::of(""), core(Endpoint::Attributes));
        assert_eq!(Target::of("/tires/pressure/"), core(Endpoint::TirePressure));
        assert_eq!(Target::of("/permissions"), Some(Target::Permissions));
        assert_eq!(Target::of("/TESLA/battery"), Some(Target::Shouted));
        assert!(matches!(Target::of("/tesla/battery"), Some(Target::Read(Read::Brand(_)))));
        for none in ["/odometers", "/tesla", "/Odometer", "/tesla/Battery", "/batch", "/webhooks"] {
            assert_eq!(Target::of(none), None, "{none}");
        }
    }
}
