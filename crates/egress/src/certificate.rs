//! As much of X.509 as a pinned certificate needs: version, validity, the names of its host, and its key.
//!
//! Certificates come from receivers, so every length is checked, nothing is copied but names, and nesting is not followed further
//! than these fields lie.

use std::net::IpAddr;

use domain::delivery::Failure;
use rustls::pki_types::{ServerName, UnixTime};

const SEQUENCE: u8 = 0x30;
const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const ADDRESS: u8 = 0x87;
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.17
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// 2.5.29.19
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const MOST_NAMES: usize = 256;

/// A certificate, as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct Certificate<'a> {
    /// 1 or 3.
    pub(crate) version: u8,
    /// It says of itself that it may issue others.
    pub(crate) is_authority: bool,
    /// SubjectPublicKeyInfo, with its header.
    pub(crate) public_key: &'a [u8],
    /// In seconds since 1970.
    not_before: i64,
    not_after: i64,
    common_names: Vec<&'a [u8]>,
    /// There is an extension with names, whatever is in it.
    has_alternative_names: bool,
    dns_names: Vec<&'a [u8]>,
    addresses: Vec<&'a [u8]>,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate; nothing for bytes that are none.
    pub(crate) fn read(der: &'a [u8]) -> Option<Self> {
        let mut signed = Der(Der(der).expect(SEQUENCE)?);
        let mut fields = Der(signed.expect(SEQUENCE)?);
        let mut certificate = Self { version: 1, ..Self::default() };
        if let Some(version) = fields.optional(VERSION) {
            certificate.version = Der(version).expect(INTEGER)?.last()?.checked_add(1)?;
        }
        fields.expect(INTEGER)?; // serial number
        fields.expect(SEQUENCE)?; // signature algorithm
        fields.expect(SEQUENCE)?; // issuer
        let mut validity = Der(fields.expect(SEQUENCE)?);
        certificate.not_before = validity.time()?;
        certificate.not_after = validity.time()?;
        certificate.read_subject(fields.expect(SEQUENCE)?);
        let before = fields.0;
        fields.expect(SEQUENCE)?;
        certificate.public_key = &before[..before.len() - fields.0.len()];
        for (tag, content) in fields {
            if tag == EXTENSIONS {
                certificate.read_extensions(Der(content).expect(SEQUENCE)?)?;
            }
        }
        Some(certificate)
    }

    fn read_subject(&mut self, names: &'a [u8]) {
        for (_, set) in Der(names).take(MOST_NAMES) {
            for (_, attribute) in Der(set).take(MOST_NAMES) {
                let mut attribute = Der(attribute);
                if attribute.next().is_some_and(|(_, kind)| kind == COMMON_NAME) {
                    self.common_names.extend(attribute.next().map(|(_, name)| name));
                }
            }
        }
    }

    fn read_extensions(&mut self, extensions: &'a [u8]) -> Option<()> {
        for (_, extension) in Der(extensions).take(MOST_NAMES) {
            let mut extension = Der(extension);
            let (_, kind) = extension.next()?;
            extension.optional(BOOLEAN); // whether it is critical
            let content = extension.expect(OCTETS)?;
            match kind {
                ALTERNATIVE_NAMES => {
                    self.has_alternative_names = true;
                    for (tag, name) in Der(Der(content).expect(SEQUENCE)?).take(MOST_NAMES) {
                        match tag {
                            DNS_NAME => self.dns_names.push(name),
                            ADDRESS => self.addresses.push(name),
                            _ => {}
                        }
                    }
                }
                BASIC_CONSTRAINTS => {
                    let authority = Der(Der(content).expect(SEQUENCE)?).optional(BOOLEAN);
                    self.is_authority = authority.is_some_and(|flag| flag.iter().any(|&byte| byte != 0));
                }
                _ => {}
            }
        }
        Some(())
    }

    /// Whether it is valid now, and for this host.
    pub(crate) fn check(&self, host: &ServerName<'_>, now: UnixTime) -> Result<(), Failure> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if now < self.not_before || now > self.not_after {
            return Err(Failure::TlsCertificateExpired);
        }
        if self.is_for(host) { Ok(()) } else { Err(Failure::TlsWrongName) }
    }

    fn is_for(&self, host: &ServerName<'_>) -> bool {
        match host {
            ServerName::DnsName(name) => {
                let names = if self.has_alternative_names { &self.dns_names } else { &self.common_names };
                names.iter().any(|pattern| is_covered(name.as_ref(), pattern))
            }
            ServerName::IpAddress(address) => {
                let address = IpAddr::from(*address);
                let bytes = match address {
                    IpAddr::V4(address) => address.octets().to_vec(),
                    IpAddr::V6(address) => address.octets().to_vec(),
                };
                if self.has_alternative_names {
                    return self.addresses.contains(&bytes.as_slice());
                }
                let text = address.to_string();
                self.common_names.iter().any(|name| name.eq_ignore_ascii_case(text.as_bytes()))
            }
            _ => false,
        }
    }
}

/// Whether a name is this one, or has one label in place of the star of `*.example.org`.
fn is_covered(name: &str, pattern: &[u8]) -> bool {
    match pattern.strip_prefix(b"*.") {
        Some(parent) => {
            let rest = name.split_once('.').map(|(_, rest)| rest);
            parent.contains(&b'.') && rest.is_some_and(|rest| rest.as_bytes().eq_ignore_ascii_case(parent))
        }
        None => name.as_bytes().eq_ignore_ascii_case(pattern),
    }
}

/// A sequence of values in the distinguished encoding rules.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next value, which must have this tag.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(is, _)| *is == tag).map(|(_, content)| content)
    }

    /// The content of the next value if it has this tag; else it is left.
    fn optional(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.0.first() == Some(&tag) { self.expect(tag) } else { None }
    }

    /// The next value as a time, in seconds since 1970.
    fn time(&mut self) -> Option<i64> {
        let (tag, text) = self.next()?;
        let digits = text.strip_suffix(b"Z")?;
        let (year, rest) = match tag {
            GENERALIZED_TIME => (number(digits.get(..4)?)?, digits.get(4..)?),
            UTC_TIME => {
                let year = number(digits.get(..2)?)?;
                (if year < 50 { 2_000 + year } else { 1_900 + year }, digits.get(2..)?)
            }
            _ => return None,
        };
        let mut parts = rest.chunks(2).map(number);
        let mut part = || parts.next().flatten();
        let (month, day, hour, minute, second) = (part()?, part()?, part()?, part()?, part()?);
        Some(days_since_1970(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second)
    }
}

/// Tags and contents.
impl<'a> Iterator for Der<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (digits.iter().fold(0, |sum, &digit| sum << 8 | usize::from(digit)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

/// By the proleptic Gregorian calendar, for years from 0 on.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that begin in March have their leap day last.
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(
        365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468,
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};

    use super::*;

    fn made(names: &[&str], common_name: Option<&str>, adjust: impl Fn(&mut CertificateParams)) -> Vec<u8> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(name) = common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.not_before = date_time_ymd(2020, 2, 29);
        params.not_after = date_time_ymd(2060, 1, 1);
        adjust(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn check(der: &[u8], host: &str, at: u64) -> Result<(), Failure> {
        let host = ServerName::try_from(host.to_owned()).unwrap();
        Certificate::read(der).unwrap().check(&host, UnixTime::since_unix_epoch(Duration::from_secs(at)))
    }

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn a_certificate_is_for_the_names_in_its_extension_or_else_for_its_common_name() {
        let both = made(&["a.example", "*.b.example", "10.0.0.1"], Some("c.example"), |_| {});
        for (host, ok) in [
            ("a.example", true),
            ("A.Example", true),
            ("x.b.example", true),
            ("b.example", false),
            ("x.y.b.example", false),
            ("c.example", false),
            ("10.0.0.1", true),
            ("10.0.0.2", false),
        ] {
            assert_eq!(check(&both, host, NOW).is_ok(), ok, "{host}");
        }
        let plain = made(&[], Some("c.example"), |_| {});
        assert_eq!(check(&plain, "c.example", NOW), Ok(()));
        assert_eq!(check(&plain, "a.example", NOW), Err(Failure::TlsWrongName));
        assert_eq!(check(&made(&[], Some("10.0.0.1"), |_| {}), "10.0.0.1", NOW), Ok(()));
        assert_eq!(
            check(&made(&[], Some("*.example"), |_| {}), "a.example", NOW),
            Err(Failure::TlsWrongName)
        );
        assert_eq!(check(&made(&[], None, |_| {}), "a.example", NOW), Err(Failure::TlsWrongName));
    }

    #[test]
    fn a_certificate_is_valid_from_its_first_second_to_its_last() {
        let der = made(&["a.example"], None, |_| {});
        let (first, last) = (1_582_934_400, 2_840_140_800);
        for (at, ok) in [(first - 1, false), (first, true), (last, true), (last + 1, false)] {
            assert_eq!(check(&der, "a.example", at).is_ok(), ok, "{at}");
        }
    }

    #[test]
    fn an_authority_says_so() {
        let ca =
            made(&["a.example"], None, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        let leaf = made(&["a.example"], None, |params| params.is_ca = IsCa::ExplicitNoCa);
        let [ca, leaf] = [&ca, &leaf].map(|der| Certificate::read(der).unwrap());
        assert_eq!((ca.version, ca.is_authority), (3, true));
        assert_eq!((leaf.version, leaf.is_authority), (3, false));
    }

    #[test]
    fn bytes_that_are_cut_or_changed_never_panic() {
        let der = made(&["a.example", "10.0.0.1"], Some("a.example"), |_| {});
        let host = ServerName::try_from("a.example").unwrap();
        for end in 0..der.len() {
            assert!(Certificate::read(&der[..end]).is_none());
        }
        for place in 0..der.len() {
            for value in [0, 1, 0x7f, 0x80, 0x84, 0xff] {
                let mut der = der.clone();
                der[place] = value;
                if let Some(certificate) = Certificate::read(&der) {
                    let _ = certificate.check(&host, UnixTime::since_unix_epoch(Duration::from_secs(NOW)));
                }
            }
        }
    }
}
