//! Spellings of addresses that are denied: whatever a resolver, a parser or a socket may take for one.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Networks that no callback URI may lead into: their first address and the bits that are free in them.
const DENIED: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 24),
    (Ipv4Addr::new(10, 0, 0, 0), 24),
    (Ipv4Addr::new(100, 64, 0, 0), 22),
    (Ipv4Addr::new(127, 0, 0, 0), 24),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(169, 254, 169, 254), 0),
    (Ipv4Addr::new(172, 16, 0, 0), 20),
    (Ipv4Addr::new(192, 0, 0, 0), 8),
    (Ipv4Addr::new(192, 0, 2, 0), 8),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 17),
    (Ipv4Addr::new(198, 51, 100, 0), 8),
    (Ipv4Addr::new(203, 0, 113, 0), 8),
    (Ipv4Addr::new(224, 0, 0, 0), 28),
    (Ipv4Addr::new(240, 0, 0, 0), 28),
];

/// The URI with this number.
pub(crate) fn of_a_denied_address(number: u64) -> String {
    let mut draw = Draw(number);
    let (first, free) = draw.pick(&DENIED);
    let address = Ipv4Addr::from_bits(first.to_bits() | (draw.next() & ((1_u64 << free) - 1)) as u32);
    let host = match draw.below(4) {
        0 => format!("[{}]", embedded(&mut draw, address)),
        _ => {
            let spelt = parts(&mut draw, address);
            disguised(&mut draw, &spelt)
        }
    };
    let port = draw.pick(&["", ":443", ":8443"]);
    let user = draw.pick(&["", "", "", "93.184.216.34@"]);
    format!("https://{user}{host}{port}/")
}

/// One to four numbers, each decimal, octal or hexadecimal: the last one holds what the others leave.
fn parts(draw: &mut Draw, address: Ipv4Addr) -> String {
    let count = 1 + draw.below(4) as usize;
    let octets = address.octets();
    let mut numbers: Vec<u32> = octets[..count - 1].iter().copied().map(u32::from).collect();
    numbers.push(octets[count - 1..].iter().fold(0, |sum, &octet| sum << 8 | u32::from(octet)));
    let spelt: Vec<String> = numbers.into_iter().map(|number| spelt(draw, number)).collect();
    spelt.join(".") + draw.pick(&["", "", "."])
}

fn spelt(draw: &mut Draw, number: u32) -> String {
    let zeros = "0".repeat(draw.below(4) as usize);
    match draw.below(4) {
        0 => format!("0{zeros}{number:o}"),
        1 => format!("0x{zeros}{number:x}"),
        2 => format!("0X{zeros}{number:X}"),
        _ => number.to_string(),
    }
}

/// Letters that a parser of URIs takes for others.
fn disguised(draw: &mut Draw, host: &str) -> String {
    host.chars()
        .map(|letter| match (draw.below(12), letter) {
            (0, _) => format!("%{:02x}", letter as u32),
            (1, '0'..='9') => char::from_u32(letter as u32 - 0x30 + 0xff10).into_iter().collect(),
            (1, '.') => draw.pick(&["\u{3002}", "\u{ff0e}", "\u{ff61}"]).to_owned(),
            (2, '0'..='9') => char::from_u32(letter as u32 - 0x30 + 0x1d7ce).into_iter().collect(),
            _ => letter.to_string(),
        })
        .collect()
}

/// Inside an IPv6 address, as translators and tunnels carry it.
fn embedded(draw: &mut Draw, address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let any = draw.next() as u16;
    let whole = match draw.below(6) {
        0 => Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
        1 => Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
        2 => Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        3 => Ipv6Addr::new(0x64, 0xff9b, 1, any, 0, 0, high, low),
        4 => Ipv6Addr::new(0x2002, high, low, any, 0, 0, 0, 1),
        _ => Ipv6Addr::new(0xfd00 | (any & 0xff), any, 0, 0, 0, 0, high, low),
    };
    match draw.below(3) {
        0 => whole.to_string(),
        1 => whole.to_string().to_uppercase(),
        _ => whole.segments().map(|segment| format!("{segment:04x}")).join(":"),
    }
}

/// What chance says, from a number and always the same: SplitMix64.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}
