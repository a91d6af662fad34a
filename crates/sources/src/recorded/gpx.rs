//! Tracks of GPX 1.0 and 1.1: the points of all tracks and segments, with position, time, speed and course.
//!
//! Nothing of the document is kept but the point that is being read. Depth and the size of every part are bounded, and
//! entities are not expanded.

use std::{
    cell::Cell as Shared,
    io::{self, BufRead, Read},
    rc::Rc,
};

use quick_xml::{Reader, events::Event};

use super::text::Utf8;

/// Elements within elements.
const DEEPEST: usize = 64;
/// Bytes of one tag or text.
const LARGEST_PART: usize = 1024 * 1024;
/// Characters of a time or number that are looked at.
const LONGEST_TEXT: usize = 100;

/// A point of a track as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Point {
    /// Where it begins, counted from 1.
    pub(super) line: u64,
    pub(super) latitude: String,
    pub(super) longitude: String,
    pub(super) time: String,
    /// m/s
    pub(super) speed: String,
    pub(super) course: String,
}

/// Why there are no points.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoTrack {
    #[error("the file cannot be read")]
    Io(#[source] io::Error),
    #[error("the file is XML, but not GPX: its root is {0:?}")]
    NotGpx(String),
    #[error("the file is not well-formed XML: {0}")]
    Xml(String),
    #[error("the file ends within its elements, so it was cut off")]
    CutOff,
    #[error("the file has elements within elements more than {DEEPEST} deep")]
    TooDeep,
}

/// Hands every point of every track to a function, until that fails. `line` is the one that was read to.
pub(super) fn points<R: Read, E: From<NoTrack>>(
    text: Utf8<R>,
    line: &Rc<Shared<u64>>,
    mut each: impl FnMut(&Point) -> Result<(), E>,
) -> Result<(), E> {
    let left = Rc::new(Shared::new(LARGEST_PART));
    line.set(1);
    let metered = Metered { inner: text, left: left.clone(), line: line.clone(), after_cr: false };
    let mut reader = Reader::from_reader(metered);
    let (mut buffer, mut path) = (Vec::new(), Vec::<Element>::new());
    let mut point = Point::default();
    loop {
        buffer.clear();
        left.set(LARGEST_PART);
        let event = reader.read_event_into(&mut buffer).map_err(|error| E::from(refused(error)))?;
        match event {
            Event::Start(tag) => {
                let element = Element::of(tag.local_name().as_ref());
                enter(&path, element, &tag, &mut point, line.get()).map_err(E::from)?;
                path.push(element);
                if path.len() > DEEPEST {
                    return Err(NoTrack::TooDeep.into());
                }
            }
            Event::Empty(tag) => {
                let element = Element::of(tag.local_name().as_ref());
                enter(&path, element, &tag, &mut point, line.get()).map_err(E::from)?;
                if element == Element::Point {
                    each(&point)?;
                }
            }
            Event::Text(text) => take_text(&path, &text.xml10_content(), &mut point),
            Event::CData(text) => take_text(&path, &text.xml10_content(), &mut point),
            Event::End(_) if path.pop() == Some(Element::Point) => each(&point)?,
            Event::End(_) => {}
            Event::Eof if path.is_empty() => return Ok(()),
            Event::Eof => return Err(NoTrack::CutOff.into()),
            _ => {}
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    Gpx,
    Point,
    Time,
    Speed,
    Course,
    Other,
}

impl Element {
    fn of(name: &str) -> Self {
        match name {
            "gpx" => Self::Gpx,
            "trkpt" => Self::Point,
            "time" => Self::Time,
            "speed" => Self::Speed,
            "course" => Self::Course,
            _ => Self::Other,
        }
    }
}

fn enter(
    path: &[Element],
    element: Element,
    tag: &quick_xml::events::BytesStart<'_>,
    point: &mut Point,
    line: u64,
) -> Result<(), NoTrack> {
    if path.is_empty() && element != Element::Gpx {
        let name: String = tag.local_name().as_ref().chars().take(LONGEST_TEXT).collect();
        return Err(NoTrack::NotGpx(name));
    }
    if element != Element::Point {
        return Ok(());
    }
    // What was read ends with the tag, which may take several lines.
    let within = line_ends(tag.as_bytes(), &mut false);
    *point = Point { line: line - within.min(line - 1), ..Point::default() };
    for attribute in tag.attributes().with_checks(false).take(64) {
        let Ok(attribute) = attribute else { continue };
        let into = match attribute.key.local_name().as_ref() {
            "lat" => &mut point.latitude,
            "lon" => &mut point.longitude,
            _ => continue,
        };
        *into = attribute.value.trim().chars().take(LONGEST_TEXT).collect();
    }
    Ok(())
}

/// What an element within a point says.
fn take_text(path: &[Element], text: &str, point: &mut Point) {
    if !path.contains(&Element::Point) {
        return;
    }
    let into = match path.last() {
        Some(Element::Time) => &mut point.time,
        Some(Element::Speed) => &mut point.speed,
        Some(Element::Course) => &mut point.course,
        _ => return,
    };
    let room = LONGEST_TEXT.saturating_sub(into.len());
    into.extend(text.trim().chars().take(room));
}

fn refused(error: quick_xml::Error) -> NoTrack {
    match error {
        quick_xml::Error::Io(error) => NoTrack::Io(io::Error::new(error.kind(), error.to_string())),
        other => NoTrack::Xml(other.to_string().chars().take(200).collect()),
    }
}

/// Fails when one part of the document is too large, before it is in memory.
struct Metered<R> {
    inner: Utf8<R>,
    left: Rc<Shared<usize>>,
    line: Rc<Shared<u64>>,
    after_cr: bool,
}

/// Ends of lines: LF, CR LF and CR.
fn line_ends(text: &[u8], after_cr: &mut bool) -> u64 {
    let mut ends = 0;
    for &byte in text {
        ends += u64::from(byte == b'\r' || byte == b'\n' && !*after_cr);
        *after_cr = byte == b'\r';
    }
    ends
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let text = self.fill_buf()?;
        let taken = text.len().min(buf.len());
        buf[..taken].copy_from_slice(&text[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}

impl<R: Read> BufRead for Metered<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left.get() == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a tag or text is larger than 1 MiB"));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.left.set(self.left.get().saturating_sub(amount));
        // What is consumed was given out before, so this reads nothing.
        if let Ok(text) = self.inner.fill_buf() {
            let ends = line_ends(&text[..amount.min(text.len())], &mut self.after_cr);
            self.line.set(self.line.get() + ends);
        }
        self.inner.consume(amount);
    }
}
