//! A recording as it is stored: a manifest, and parts of some thousand rows.
//!
//! A part begins with what was known before its first row, so that a read needs one part, however long the trip is. The
//! parts that were read last are kept in memory, within a bound of bytes.

use std::{collections::HashMap, sync::Arc};

use app::ports::{ImportReport, RecordingReads, TripParts};
use domain::{signal::SignalId, time::Timestamp};
use minicbor::{Decoder, Encoder, data::Type, decode::Error};
use parking_lot::Mutex;
use uuid::Uuid;

use super::recording::{Cells, Column, Recording};

/// Rows of a part.
const ROWS: usize = 4_096;
/// Values of a part, but for the row that goes beyond.
const VALUES: usize = 32_768;
/// Bytes of manifests and parts in memory, about.
const CACHED: usize = 32 * 1024 * 1024;

/// Where the parts of a trip begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    /// The first row of each part, in microseconds since the first of all.
    begins: Vec<u64>,
}

/// A recording that is about to be stored.
pub struct Parts {
    recording: Recording,
    /// The first row of each part.
    begins: Vec<usize>,
}

impl Parts {
    /// Cuts a recording into parts.
    pub fn new(recording: Recording) -> Self {
        let mut values = vec![0_u32; recording.rows()];
        for row in recording.columns.iter().flat_map(|(_, column)| &column.rows) {
            values[*row as usize] += 1;
        }
        let (mut begins, mut rows, mut sum) = (vec![0], 0, 0);
        for (row, &more) in values.iter().enumerate() {
            if rows == ROWS || sum >= VALUES {
                begins.push(row);
                (rows, sum) = (0, 0);
            }
            rows += 1;
            sum += more as usize;
        }
        Self { recording, begins }
    }

    /// The rows of a part, after those that say what was known before.
    fn cut(&self, no: usize) -> Recording {
        let begin = self.begins[no];
        let end = self.begins.get(no + 1).copied().unwrap_or_else(|| self.recording.rows());
        // A signal whose first value comes later was known from the start with that value.
        let known = |column: &Column| {
            let first_here = column.rows.partition_point(|&row| (row as usize) < begin);
            let is_there = column.rows.get(first_here).is_some_and(|&row| row as usize == begin);
            match (is_there, first_here) {
                (true, _) => None,
                (false, 0) => Some((0, 0)),
                (false, after) => Some((column.rows[after - 1] as usize, after - 1)),
            }
        };
        let mut before: Vec<usize> = self
            .recording
            .columns
            .iter()
            .filter_map(|(_, column)| known(column).map(|(row, _)| row))
            .collect();
        // The first row of the trip itself is a row of the first part.
        before.retain(|&row| row < begin);
        before.sort_unstable();
        before.dedup();
        let place = |row: usize| match row < begin {
            true => before.binary_search(&row).unwrap_or(0),
            false => before.len() + row - begin,
        };
        let columns = self.recording.columns.iter().map(|(signal, column)| {
            let from = column.rows.partition_point(|&row| (row as usize) < begin);
            let until = column.rows.partition_point(|&row| (row as usize) < end);
            let carried = known(column);
            let rows = carried
                .iter()
                .map(|&(row, _)| row)
                .chain(column.rows[from..until].iter().map(|&row| row as usize));
            let cells: Vec<u32> =
                carried.iter().map(|&(_, at)| at as u32).chain(from as u32..until as u32).collect();
            let rows = rows.map(|row| place(row) as u32).collect();
            (*signal, Column { rows, cells: column.cells.picked(&cells) })
        });
        let offsets = before.iter().copied().chain(begin..end).map(|row| self.recording.offsets[row]);
        Recording {
            recorded_at: self.recording.recorded_at,
            offsets: offsets.collect(),
            columns: columns.collect(),
            report: ImportReport::default(),
            dated: self.recording.dated,
        }
    }
}

impl TripParts for Parts {
    fn manifest(&self) -> Vec<u8> {
        let begins = self.begins.iter().map(|&row| self.recording.offsets[row]).collect();
        Manifest { begins }.encode()
    }

    fn parts(&self) -> u32 {
        self.begins.len() as u32
    }

    fn part(&self, no: u32) -> Vec<u8> {
        encode(&self.cut(no as usize))
    }
}

impl Manifest {
    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(Vec::new());
        let written = (|| {
            e.array(1)?.array(self.begins.len() as u64)?;
            for &begin in &self.begins {
                e.u64(begin)?;
            }
            Ok::<_, minicbor::encode::Error<std::convert::Infallible>>(())
        })();
        written.expect("a vector takes all bytes");
        e.into_writer()
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let d = &mut Decoder::new(bytes);
        if d.array()?.is_none_or(|fields| fields < 1) {
            return Err(Error::message("fields are missing"));
        }
        let begins = array(d, |d| d.u64())?;
        if begins.is_empty() || !begins.is_sorted() {
            return Err(Error::message("parts are not in order"));
        }
        Ok(Self { begins })
    }

    /// The part that says what is known at a moment of the trip.
    fn part_at(&self, elapsed: u64) -> u32 {
        self.begins.partition_point(|&begin| begin <= elapsed).saturating_sub(1) as u32
    }
}

/// Numbers as differences are small, and cells stand by column.
fn encode(part: &Recording) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    write(part, &mut e).expect("a vector takes all bytes");
    e.into_writer()
}

fn write(
    part: &Recording,
    e: &mut Encoder<Vec<u8>>,
) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
    e.array(3)?.i64(part.recorded_at.as_micros())?;
    e.array(part.offsets.len() as u64)?;
    let mut before = 0;
    for &offset in &part.offsets {
        e.u64(offset - before)?;
        before = offset;
    }
    e.array(part.columns.len() as u64)?;
    for (signal, column) in &part.columns {
        e.array(3)?.u8(signal.number())?.array(column.rows.len() as u64)?;
        for &row in &column.rows {
            e.u32(row)?;
        }
        match &column.cells {
            Cells::Numbers(cells) => {
                e.array(2)?.u8(1)?.array(cells.len() as u64)?;
                cells.iter().try_for_each(|&number| e.f64(number)?.ok())?;
            }
            Cells::Flags(cells) => {
                e.array(2)?.u8(2)?.array(cells.len() as u64)?;
                cells.iter().try_for_each(|&flag| e.bool(flag)?.ok())?;
            }
            Cells::Texts { words, at } => {
                e.array(3)?.u8(3)?.array(words.len() as u64)?;
                words.iter().try_for_each(|word| e.str(word)?.ok())?;
                e.array(at.len() as u64)?;
                at.iter().try_for_each(|&place| e.u16(place)?.ok())?;
            }
            Cells::Positions(cells) => {
                e.array(2)?.u8(4)?.array(cells.len() as u64)?;
                for &[latitude, longitude, heading] in cells {
                    e.array(3)?.f64(latitude)?.f64(longitude)?;
                    if heading.is_nan() {
                        e.null()?
                    } else {
                        e.f64(heading)?
                    };
                }
            }
        }
    }
    Ok(())
}

fn array<T>(
    d: &mut Decoder<'_>,
    mut item: impl FnMut(&mut Decoder<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let length = d.array()?.ok_or_else(|| Error::message("a list without its length"))?;
    // What was damaged may claim any length.
    let mut items = Vec::with_capacity(length.min(4_096) as usize);
    for _ in 0..length {
        items.push(item(d)?);
    }
    Ok(items)
}

/// A part that can be replayed. A signal that only a newer program knows is left out.
fn decode(bytes: &[u8]) -> Result<Recording, Error> {
    let d = &mut Decoder::new(bytes);
    if d.array()?.is_none_or(|fields| fields < 3) {
        return Err(Error::message("fields are missing"));
    }
    let recorded_at = Timestamp::from_micros(d.i64()?);
    let mut before = 0_u64;
    let offsets = array(d, |d| {
        before = before.checked_add(d.u64()?).ok_or_else(|| Error::message("a time beyond all"))?;
        Ok(before)
    })?;
    let rows = offsets.len();
    let columns = array(d, |d| column(d, rows))?.into_iter().flatten().collect();
    if offsets.is_empty() {
        return Err(Error::message("a part without rows"));
    }
    Ok(Recording { recorded_at, offsets, columns, report: ImportReport::default(), dated: true })
}

fn column(d: &mut Decoder<'_>, all_rows: usize) -> Result<Option<(SignalId, Column)>, Error> {
    d.array()?;
    let signal = SignalId::from_number(d.u8()?);
    let rows = array(d, |d| d.u32())?;
    d.array()?;
    let cells = match d.u8()? {
        1 => Cells::Numbers(array(d, |d| d.f64())?),
        2 => Cells::Flags(array(d, |d| d.bool())?),
        3 => Cells::Texts { words: array(d, |d| Ok(d.str()?.into()))?, at: array(d, |d| d.u16())? },
        4 => Cells::Positions(array(d, |d| {
            d.array()?;
            let (latitude, longitude) = (d.f64()?, d.f64()?);
            let heading = if d.datatype()? == Type::Null { d.null().map(|()| f64::NAN)? } else { d.f64()? };
            Ok([latitude, longitude, heading])
        })?),
        _ => return Err(Error::message("cells of an unknown form")),
    };
    let fits = match &cells {
        Cells::Numbers(cells) => cells.len() == rows.len(),
        Cells::Flags(cells) => cells.len() == rows.len(),
        Cells::Texts { words, at } => {
            at.len() == rows.len() && at.iter().all(|&place| usize::from(place) < words.len())
        }
        Cells::Positions(cells) => cells.len() == rows.len(),
    };
    if !fits || !rows.is_sorted() || rows.last().is_some_and(|&row| row as usize >= all_rows) {
        return Err(Error::message("cells that do not fit their rows"));
    }
    Ok(signal.filter(|_| !rows.is_empty()).map(|signal| (signal, Column { rows, cells })))
}

/// Why a stored recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("it is not stored here")]
    Missing,
    #[error("it cannot be read: {0}")]
    Store(String),
    #[error("it is damaged: {0}")]
    Damaged(#[from] Error),
}

/// Manifests and parts that were read last.
#[derive(Default)]
pub(super) struct Cache {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    manifests: HashMap<Uuid, (Arc<Manifest>, u64)>,
    parts: HashMap<(Uuid, u32), (Arc<Recording>, usize, u64)>,
    bytes: usize,
    /// Rises with each use.
    turn: u64,
}

impl Cache {
    /// The part of a recording that says what is known at a moment of the trip.
    pub(super) async fn part_at(
        &self,
        recordings: &dyn RecordingReads,
        id: Uuid,
        elapsed: u64,
    ) -> Result<Arc<Recording>, Unreadable> {
        let kept = self.kept.lock().manifest(id);
        let manifest = match kept {
            Some(manifest) => manifest,
            None => {
                let bytes =
                    recordings.manifest(id).await.map_err(Unreadable::Store)?.ok_or(Unreadable::Missing)?;
                let manifest = Arc::new(Manifest::decode(&bytes)?);
                self.kept.lock().keep_manifest(id, manifest.clone());
                manifest
            }
        };
        let no = manifest.part_at(elapsed);
        let kept = self.kept.lock().part(id, no);
        if let Some(part) = kept {
            return Ok(part);
        }
        let bytes = recordings.part(id, no).await.map_err(Unreadable::Store)?.ok_or(Unreadable::Missing)?;
        let part = Arc::new(decode(&bytes)?);
        self.kept.lock().keep_part(id, no, part.clone());
        Ok(part)
    }
}

impl Kept {
    fn turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    fn manifest(&mut self, id: Uuid) -> Option<Arc<Manifest>> {
        let turn = self.turn();
        let (manifest, used) = self.manifests.get_mut(&id)?;
        *used = turn;
        Some(manifest.clone())
    }

    fn part(&mut self, id: Uuid, no: u32) -> Option<Arc<Recording>> {
        let turn = self.turn();
        let (part, _, used) = self.parts.get_mut(&(id, no))?;
        *used = turn;
        Some(part.clone())
    }

    fn keep_manifest(&mut self, id: Uuid, manifest: Arc<Manifest>) {
        let turn = self.turn();
        self.bytes += manifest.begins.len() * 8;
        if let Some((old, _)) = self.manifests.insert(id, (manifest, turn)) {
            self.bytes -= old.begins.len() * 8;
        }
        self.make_room();
    }

    fn keep_part(&mut self, id: Uuid, no: u32, part: Arc<Recording>) {
        let (turn, bytes) = (self.turn(), part.bytes());
        self.bytes += bytes;
        if let Some((_, old, _)) = self.parts.insert((id, no), (part, bytes, turn)) {
            self.bytes -= old;
        }
        self.make_room();
    }

    /// Lets go of what was not used for the longest time, the newest excepted.
    fn make_room(&mut self) {
        while self.bytes > CACHED && self.parts.len() > 1 {
            let Some((&oldest, _)) = self.parts.iter().min_by_key(|(_, (.., used))| *used) else { return };
            if let Some((_, bytes, _)) = self.parts.remove(&oldest) {
                self.bytes -= bytes;
            }
        }
        while self.bytes > CACHED && self.manifests.len() > 1 {
            let Some((&oldest, _)) = self.manifests.iter().min_by_key(|(_, (_, used))| *used) else { return };
            if let Some((manifest, _)) = self.manifests.remove(&oldest) {
                self.bytes -= manifest.begins.len() * 8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::ColumnMap;
    use async_trait::async_trait;
    use futures::executor::block_on;
    use std::time::Duration;

    const MAP: &str = "[time]\ncolumn = \"t\"\n[position]\nlatitude = \"lat\"\nlongitude = \"lon\"\nheading = \"cog\"\n[signals]\ntractionbattery-stateofcharge = \"soc\"\ncharge-ischarging = \"charging\"\ntransmission-gearstate = \"gear\"\nodometer-traveleddistance = \"km\"";

    /// Rows of which most say little, and one signal that comes late.
    fn recording(rows: usize) -> Recording {
        let row = |at: usize| {
            let soc = if at.is_multiple_of(7) { (90 - at % 50).to_string() } else { String::new() };
            let (lat, cog) = if at.is_multiple_of(3) { ("52.5", "42") } else { ("", "") };
            let gear = ["PARK", "DRIVE", "", ""][at % 4];
            let km = if at > rows / 2 { at.to_string() } else { String::new() };
            let charging = if at == 1 { "yes" } else { "" };
            format!("{},{lat},{lat},{cog},{soc},{charging},{gear},{km}\n", 1_777_629_600 + at * 2)
        };
        let text = format!("t,lat,lon,cog,soc,charging,gear,km\n{}", (0..rows).map(row).collect::<String>());
        Recording::read(text.as_bytes(), Some(&ColumnMap::from_toml(MAP).unwrap())).unwrap()
    }

    #[test]
    fn a_part_says_what_the_whole_recording_says() {
        let whole = recording(5 * ROWS + 17);
        let parts = Parts::new(whole.clone());
        assert!(parts.parts() >= 4);
        let manifest = Manifest::decode(&parts.manifest()).unwrap();
        for at in (0..whole.rows()).step_by(97).chain([ROWS - 1, ROWS, ROWS + 1, whole.rows() - 1]) {
            let offset = whole.offset(at);
            let part = decode(&parts.part(manifest.part_at(whole.offsets[at]))).unwrap();
            let row = part.row_at(offset + Duration::from_millis(1));
            assert_eq!(part.offset(row), offset);
            for signal in whole.signals() {
                assert_eq!(part.value(row, signal), whole.value(at, signal), "{signal:?} at {at}");
            }
        }
    }

    #[test]
    fn a_long_trip_of_many_values_has_small_parts() {
        let parts = Parts::new(recording(20_000));
        for no in 0..parts.parts() {
            assert!(parts.part(no).len() < 1 << 20);
        }
    }

    #[test]
    fn what_is_damaged_is_refused_and_never_a_panic() {
        let part = Parts::new(recording(40)).part(0);
        for at in 0..part.len() {
            for change in [0x01_u8, 0x20, 0x80, 0xff] {
                let mut damaged = part.clone();
                damaged[at] ^= change;
                if let Ok(part) = decode(&damaged) {
                    let row = part.row_at(Duration::from_secs(7));
                    part.signals().for_each(|signal| drop(part.value(row, signal)));
                }
            }
            assert!(decode(&part[..at]).is_err());
        }
        assert!(Manifest::decode(b"x").is_err());
    }

    /// Counts what is asked of it.
    struct Counted(Parts, Mutex<Vec<Option<u32>>>);

    #[async_trait]
    impl RecordingReads for Counted {
        async fn manifest(&self, _: Uuid) -> Result<Option<Vec<u8>>, String> {
            self.1.lock().push(None);
            Ok(Some(self.0.manifest()))
        }

        async fn part(&self, _: Uuid, no: u32) -> Result<Option<Vec<u8>>, String> {
            self.1.lock().push(Some(no));
            Ok((no < self.0.parts()).then(|| self.0.part(no)))
        }

        fn failed(&self, _: &str, _: &str) {}
    }

    #[test]
    fn the_store_is_asked_once_for_a_part_that_is_read_often() {
        let (counted, cache) = (Counted(Parts::new(recording(2 * ROWS)), Mutex::default()), Cache::default());
        for elapsed in [0, 1, 10_000_000, 3 * ROWS as u64 * 1_000_000, 20, u64::MAX] {
            block_on(cache.part_at(&counted, Uuid::nil(), elapsed)).unwrap();
        }
        assert_eq!(*counted.1.lock(), [None, Some(0), Some(1)]);
    }

    #[test]
    fn what_is_kept_in_memory_is_bounded() {
        let (mut kept, part) = (Kept::default(), Arc::new(recording(ROWS)));
        let fits = CACHED / part.bytes();
        for no in 0..2 * fits as u32 {
            kept.keep_part(Uuid::nil(), no, part.clone());
            assert!(kept.part(Uuid::nil(), 0).is_some(), "the first is used all the time");
        }
        assert!(kept.bytes <= CACHED && kept.parts.len() <= fits);
    }
}
