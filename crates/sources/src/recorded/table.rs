//! Rows of separated text: how a file is written is found out first, then its rows are read one after the other.
//!
//! The header is the line that has the most columns of the map, in the separator with which it has them. What stands
//! before it is a preamble. A quote that is never closed is a plain character: it must not swallow the rest of the file.

use std::{
    collections::VecDeque,
    io::{self, Read},
};

use super::{
    cells::Numerals,
    columns::{ColumnMap, ColumnRef},
    text::{Line, Lines, Utf8},
};

/// Lines among which the header is looked for.
const PREAMBLE: usize = 200;
/// And their bytes.
const PREAMBLE_BYTES: usize = 256 * 1024;
/// Lines that one quoted cell may go over.
const QUOTED_LINES: usize = 64;
/// Cells of a row; what comes after them is not looked at.
const MOST_CELLS: usize = 10_000;
const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];

/// The cells of a row, without quotes and blanks around them.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    text: String,
    ends: Vec<usize>,
    /// Where it begins.
    pub(super) line: u64,
}

impl Row {
    /// The cell at a place from 0; empty where the row is too short.
    pub(super) fn cell(&self, place: usize) -> &str {
        let Some(&end) = self.ends.get(place) else { return "" };
        let begin = if place == 0 { 0 } else { self.ends[place - 1] };
        self.text[begin..end].trim()
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|place| self.cell(place))
    }

    /// Takes a line apart; false when a quoted cell is still open at its end.
    fn split(&mut self, line: &str, separator: char, quotes: bool) -> bool {
        self.text.clear();
        self.ends.clear();
        let mut rest = line;
        loop {
            let cell = rest.trim_start_matches(|c: char| c.is_whitespace() && c != separator);
            if quotes && let Some(quoted) = cell.strip_prefix('"') {
                let Some(after) = self.unquote(quoted) else { return false };
                rest = after;
            }
            let end = rest.find(separator).unwrap_or(rest.len());
            self.text.push_str(&rest[..end]);
            self.ends.push(self.text.len());
            if end == rest.len() || self.ends.len() == MOST_CELLS {
                return true;
            }
            rest = &rest[end + separator.len_utf8()..];
        }
    }

    /// Takes over what is in quotes, and gives what comes after them.
    fn unquote<'t>(&mut self, mut quoted: &'t str) -> Option<&'t str> {
        loop {
            let end = quoted.find('"')?;
            self.text.push_str(&quoted[..end]);
            quoted = &quoted[end + 1..];
            let Some(more) = quoted.strip_prefix('"') else { return Some(quoted) };
            self.text.push('"');
            quoted = more;
        }
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Row,
    /// A line that is too long to be one; its number.
    TooLong(u64),
    End,
}

/// The rows below the header.
pub(super) struct Table<R> {
    lines: Lines<R>,
    /// Lines that were read and are still to be taken apart.
    ahead: VecDeque<(u64, String, Line)>,
    separator: char,
    comment: String,
    pub(super) header: Row,
    decimal: Option<char>,
    thousands: Option<char>,
}

/// Why there are no rows.
#[derive(Debug)]
pub(super) enum NoTable {
    Io(io::Error),
    /// No line has these columns of the map; the columns of the line that comes closest.
    Missing(Vec<String>, Row),
    /// There is no map, and no line is a header that is known; the first line.
    Unknown(Row),
    /// Nothing but preamble.
    Empty,
}

/// A line that may be the header.
struct Candidate {
    place: usize,
    separator: char,
    row: Row,
    found: usize,
}

impl<R: Read> Table<R> {
    /// Finds the header, and the map for it where none is given.
    pub(super) fn open(text: Utf8<R>, map: Option<&ColumnMap>) -> Result<(Self, ColumnMap), NoTable> {
        let mut lines = Lines::new(text);
        let ahead = look_ahead(&mut lines).map_err(NoTable::Io)?;
        let comment = map.map_or("#", |map| map.file.comment.as_str()).to_owned();
        let (map, candidate) = match map {
            Some(map) if !map.file.header => (map.clone(), without_header(&ahead, map, &comment)),
            Some(map) => (map.clone(), header_for(&ahead, map, &comment)?),
            None => (ColumnMap::built_in(), known_header(&ahead, &comment)?),
        };
        let Candidate { place, separator, row, .. } = candidate;
        let table = Self {
            lines,
            ahead: ahead.into_iter().skip(if map.file.header { place + 1 } else { 0 }).collect(),
            separator,
            comment,
            header: row,
            decimal: map.file.decimal,
            thousands: map.file.thousands,
        };
        Ok((table, map))
    }

    /// Reads the next row; comments and empty lines are none.
    pub(super) fn next(&mut self, row: &mut Row) -> io::Result<Next> {
        loop {
            let (number, line, kind) = self.line()?;
            match kind {
                Line::End => return Ok(Next::End),
                Line::TooLong => return Ok(Next::TooLong(number)),
                Line::Read if is_left_out(&line, &self.comment) => continue,
                Line::Read => {}
            }
            if !row.split(&line, self.separator, true) {
                self.split_quoted(&line, row)?;
            }
            row.line = number;
            if row.cells().any(|cell| !cell.is_empty()) {
                return Ok(Next::Row);
            }
        }
    }

    /// A row of which a quoted cell goes on in the next lines, or in which a quote is a plain character.
    fn split_quoted(&mut self, first: &str, row: &mut Row) -> io::Result<()> {
        let mut joined = first.to_owned();
        let mut taken = Vec::new();
        while taken.len() < QUOTED_LINES && joined.len() < Lines::<R>::LONGEST {
            let (number, line, kind) = self.line()?;
            let ends = kind != Line::Read;
            joined.push('\n');
            joined.push_str(&line);
            taken.push((number, line, kind));
            if ends {
                break;
            }
            if row.split(&joined, self.separator, true) {
                return Ok(());
            }
        }
        for line in taken.into_iter().rev() {
            self.ahead.push_front(line);
        }
        row.split(first, self.separator, false);
        Ok(())
    }

    fn line(&mut self) -> io::Result<(u64, String, Line)> {
        if let Some(line) = self.ahead.pop_front() {
            return Ok(line);
        }
        let mut line = String::new();
        let kind = self.lines.next(&mut line)?;
        Ok((self.lines.number, line, kind))
    }

    /// The places of a column of the map, from 0: the first, and how many others have the same name.
    pub(super) fn place(&self, column: &ColumnRef) -> Option<usize> {
        place(&self.header, column)
    }

    /// How the number in a cell is written. Where commas do not separate cells, one that stands alone is decimal.
    pub(super) fn numerals(&self, cell: &str) -> Numerals {
        let comma = || {
            let commas = cell.bytes().filter(|&byte| byte == b',').count();
            self.separator != ',' && self.thousands != Some(',') && commas == 1 && !cell.contains('.')
        };
        let decimal =
            self.decimal.unwrap_or_else(|| if self.thousands == Some('.') || comma() { ',' } else { '.' });
        Numerals { decimal, thousands: self.thousands }
    }

    /// `CSV, separator ";", UTF-8`
    pub(super) fn describe(&self) -> String {
        let separator = if self.separator == '\t' { "tab".into() } else { format!("\"{}\"", self.separator) };
        let decimal = if self.decimal == Some(',') { ", decimal comma" } else { "" };
        format!("CSV, separator {separator}{decimal}, {}", self.lines.inner.name())
    }
}

fn look_ahead<R: Read>(lines: &mut Lines<R>) -> io::Result<VecDeque<(u64, String, Line)>> {
    let (mut ahead, mut bytes) = (VecDeque::new(), 0);
    while ahead.len() < PREAMBLE && bytes < PREAMBLE_BYTES {
        let mut line = String::new();
        let kind = lines.next(&mut line)?;
        if kind == Line::End {
            break;
        }
        bytes += line.len();
        ahead.push_back((lines.number, line, kind));
    }
    Ok(ahead)
}

fn is_left_out(line: &str, comment: &str) -> bool {
    let line = line.trim();
    line.is_empty() || !comment.is_empty() && line.starts_with(comment)
}

/// By its name, or else by its name in any case.
fn place(header: &Row, column: &ColumnRef) -> Option<usize> {
    match column {
        ColumnRef::Place(place) => Some(place - 1),
        ColumnRef::Name(name) => {
            let exact = header.cells().position(|cell| cell == name);
            exact.or_else(|| {
                let name = name.to_lowercase();
                header.cells().position(|cell| cell.to_lowercase() == name)
            })
        }
    }
}

/// Lines that can be a header, taken apart in every separator that is possible.
fn candidates<'l>(
    ahead: &'l VecDeque<(u64, String, Line)>,
    separator: Option<char>,
    comment: &'l str,
    commented: bool,
) -> impl Iterator<Item = Candidate> + 'l {
    let lines = ahead.iter().enumerate().filter(move |(_, (_, line, kind))| {
        let is_comment = !comment.is_empty() && line.trim_start().starts_with(comment);
        *kind == Line::Read && !line.trim().is_empty() && is_comment == commented
    });
    lines.flat_map(move |(place, (number, line, _))| {
        let line = if commented { line.trim_start().strip_prefix(comment).unwrap_or(line) } else { line };
        let possible = SEPARATORS.into_iter().filter(move |&one| separator.is_none_or(|set| set == one));
        possible.map(move |separator| {
            let mut row = Row { line: *number, ..Row::default() };
            if !row.split(line, separator, true) {
                row.split(line, separator, false);
            }
            Candidate { place, separator, row, found: 0 }
        })
    })
}

/// The line with the most columns of the map, if it has those of the time. A line that is a comment can be it, too.
fn header_for(
    ahead: &VecDeque<(u64, String, Line)>,
    map: &ColumnMap,
    comment: &str,
) -> Result<Candidate, NoTable> {
    let mut closest: Option<Candidate> = None;
    for commented in [false, true] {
        let mut best: Option<Candidate> = None;
        for mut candidate in candidates(ahead, map.file.separator, comment, commented) {
            candidate.found = map.columns().filter(|column| place(&candidate.row, column).is_some()).count();
            // Names count before places, which every line has.
            let has_time = map.time.columns.iter().all(|column| place(&candidate.row, column).is_some());
            let better =
                |than: &Option<Candidate>| than.as_ref().is_none_or(|best| candidate.found > best.found);
            if has_time && better(&best) {
                best = Some(candidate);
            } else if !commented && better(&closest) {
                closest = Some(candidate);
            }
        }
        if let Some(best) = best {
            let missing = missing(&best.row, map);
            return if missing.is_empty() { Ok(best) } else { Err(NoTable::Missing(missing, best.row)) };
        }
    }
    match closest {
        Some(closest) => Err(NoTable::Missing(missing(&closest.row, map), closest.row)),
        None => Err(NoTable::Empty),
    }
}

fn missing(header: &Row, map: &ColumnMap) -> Vec<String> {
    let names = map.columns().filter_map(|column| match column {
        ColumnRef::Name(name) if place(header, column).is_none() => Some(name.clone()),
        _ => None,
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.dedup();
    names
}

/// Where columns are numbers: the separator in which the most lines have a time.
fn without_header(ahead: &VecDeque<(u64, String, Line)>, map: &ColumnMap, comment: &str) -> Candidate {
    let times = |separator: char| {
        let rows = candidates(ahead, Some(separator), comment, false);
        rows.filter(|candidate| map.time.parse(&time_cells(&candidate.row, &map.time.columns)).is_some())
            .count()
    };
    let possible = SEPARATORS.into_iter().filter(|&one| map.file.separator.is_none_or(|set| set == one));
    // The first one where several are as good.
    let separator = possible.rev().max_by_key(|&separator| times(separator)).unwrap_or(',');
    Candidate { place: 0, separator, row: Row::default(), found: 0 }
}

/// The cells of the time of a row where columns are numbers.
fn time_cells(row: &Row, columns: &[ColumnRef]) -> String {
    let cells = columns.iter().filter_map(|column| match column {
        ColumnRef::Place(place) => Some(row.cell(place - 1)),
        ColumnRef::Name(_) => None,
    });
    cells.collect::<Vec<_>>().join(" ")
}

fn known_header(ahead: &VecDeque<(u64, String, Line)>, comment: &str) -> Result<Candidate, NoTable> {
    let mut first = None;
    for candidate in candidates(ahead, None, comment, false) {
        if ColumnMap::for_header(candidate.row.cells()).is_some() {
            return Ok(candidate);
        }
        first = first.or(Some(candidate.row));
    }
    Err(first.map_or(NoTable::Empty, NoTable::Unknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<String> {
        let mut row = Row::default();
        assert!(row.split(line, ',', true));
        row.cells().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_is_taken_apart_at_its_separators_and_not_in_quotes() {
        assert_eq!(split("a, b ,,"), ["a", "b", "", ""]);
        assert_eq!(split(r#""a,b", "c ""d""",e"#), ["a,b", "c \"d\"", "e"]);
        assert_eq!(split(r#"5" tyre,b"#), ["5\" tyre", "b"]);
        assert_eq!(split(""), [""]);
    }

    const MAP: &str = "[time]\ncolumn = \"t\"\n[signals]\nmotion-currentspeed = \"Speed\"";

    fn rows(text: &str, map: &str) -> Vec<(u64, Vec<String>)> {
        let map = ColumnMap::from_toml(map).unwrap();
        let text = Utf8::new(text.as_bytes(), None, 1 << 20).unwrap().unwrap();
        let (mut table, _) = Table::open(text, Some(&map)).unwrap();
        let (mut rows, mut row) = (Vec::new(), Row::default());
        while table.next(&mut row).unwrap() != Next::End {
            rows.push((row.line, row.cells().map(str::to_owned).collect()));
        }
        rows
    }

    #[test]
    fn the_header_is_found_below_a_preamble_in_any_separator() {
        for text in [
            "t,speed\n1,2\n",
            "# a logger\n\nVehicle;X\nt;SPEED\n1;2\n",
            "version 1\tt\nt\tSpeed\n1\t2\n",
            "sep=|\nt|Speed\n# pause\n1|2",
            "# t,Speed\n1,2\n",
        ] {
            let rows = rows(text, MAP);
            assert_eq!(rows.len(), 1, "{text}");
            assert_eq!(rows[0].1, ["1", "2"], "{text}");
        }
    }

    #[test]
    fn without_a_header_columns_are_numbers() {
        let map = "[file]\nheader = false\n[time]\ncolumn = 2\n[signals]\nmotion-currentspeed = 1";
        assert_eq!(
            rows("7;2026-05-01 10:00:00\n", map),
            [(1, vec!["7".into(), "2026-05-01 10:00:00".into()])]
        );
    }

    #[test]
    fn a_quoted_cell_goes_over_lines_and_one_that_is_never_closed_does_not() {
        let closed = rows("t,Speed,note\n1,2,\"a\nb\"\n3,4,c\n", MAP);
        assert_eq!(closed[0], (2, vec!["1".into(), "2".into(), "a\nb".into()]));
        assert_eq!(closed[1].0, 4);
        let open = rows("t,Speed,note\n1,2,\"a\n3,4,c\n5,6,d\n", MAP);
        assert_eq!(open.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(open[0].1[2], "\"a");
    }
}
