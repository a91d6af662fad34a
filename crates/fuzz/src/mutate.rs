//! Mutations: bytes and lines are changed, moved, repeated and mixed with other examples.

use crate::LARGEST;

/// Chance from a seed (SplitMix64): fast, and the same everywhere.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below a number; 0 for 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }

    fn pick<'t, T: ?Sized>(&mut self, from: &[&'t T]) -> &'t T {
        from[self.below(from.len())]
    }
}

/// What parsers stumble over.
const TOKENS: &[&str] = &[
    "",
    ",",
    ";",
    "\t",
    "|",
    "\"",
    "\"\"",
    "'",
    "#",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "\0",
    "\u{feff}",
    "°",
    "😀",
    "-",
    "+",
    ".",
    ",,,,,,,,",
    "NaN",
    "inf",
    "-0",
    "1e308",
    "1e-400",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "0.000001",
    "1980-01-06T00:00:00Z",
    "2026-10-25 02:30:00",
    "2026-03-29T02:30:00",
    "9999-12-31T23:59:60Z",
    "24:00:00",
    "00:00:29.447",
    "99999999:99:99",
    "null",
    "true",
    "<",
    ">",
    "</",
    "/>",
    "&amp;",
    "&#x0;",
    "<!--",
    "-->",
    "<![CDATA[",
    "<!DOCTYPE x [<!ENTITY a \"b\">]>",
    "[",
    "]",
    "{",
    "}",
    "=",
    "\\",
    "%Y",
    "%",
    "\u{202e}",
];

/// A new input from the examples.
pub(crate) fn input(corpus: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut input = corpus[chance.below(corpus.len())].clone();
    for _ in 0..=chance.below(6) {
        step(&mut input, corpus, chance);
        input.truncate(LARGEST);
    }
    input
}

fn step(input: &mut Vec<u8>, corpus: &[Vec<u8>], chance: &mut Chance) {
    let at = chance.below(input.len() + 1);
    let span = chance.below(input.len() + 1 - at).min(1 << chance.below(10));
    match chance.below(11) {
        0 if !input.is_empty() => {
            let at = at.min(input.len() - 1);
            input[at] ^= 1 << chance.below(8);
        }
        1 if !input.is_empty() => {
            let at = at.min(input.len() - 1);
            input[at] = chance.below(256) as u8;
        }
        2 => drop(input.drain(at..at + span)),
        3 => {
            let copy = input[at..at + span].to_vec();
            let to = chance.below(input.len() + 1);
            input.splice(to..to, copy);
        }
        4 => {
            let token = chance.pick(TOKENS);
            input.splice(at..at, token.bytes());
        }
        5 => {
            let token = chance.pick(TOKENS);
            input.splice(at..at + span, token.bytes());
        }
        6 => {
            let other = &corpus[chance.below(corpus.len())];
            let from = chance.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        7 => lines(input, chance),
        8 => {
            let copy = input[at..at + span].to_vec();
            for _ in 0..chance.below(200) {
                if input.len() > LARGEST {
                    break;
                }
                input.splice(at..at, copy.iter().copied());
            }
        }
        9 => input.truncate(at),
        _ => {
            // A number becomes another one.
            let digit = input.iter().skip(at).position(u8::is_ascii_digit).map(|more| at + more);
            if let Some(begin) = digit {
                let end = input.iter().skip(begin).position(|byte| !byte.is_ascii_digit());
                let end = end.map_or(input.len(), |more| begin + more);
                let number = chance.next() >> chance.below(64);
                input.splice(begin..end, number.to_string().bytes());
            }
        }
    }
}

/// Lines change places, vanish or come twice.
fn lines(input: &mut Vec<u8>, chance: &mut Chance) {
    let mut lines: Vec<Vec<u8>> = input.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    if lines.is_empty() {
        return;
    }
    let (one, other) = (chance.below(lines.len()), chance.below(lines.len()));
    match chance.below(3) {
        0 => lines.swap(one, other),
        1 => drop(lines.remove(one)),
        _ => lines.insert(one, lines[other].clone()),
    }
    *input = lines.concat();
}
