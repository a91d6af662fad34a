//! Unpacking the answer to a challenge: receivers compress although `Accept-Encoding: identity` asks them not to.
//!
//! Only the small body of a verification or a test ever comes here, and it never grows beyond what is kept of a body.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use crate::answer::Coding;

const GZIP: &[u8] = &[0x1f, 0x8b];

/// The body as text was written into it, at most `most` bytes of it. What does not unpack stays as it is, since some receivers
/// announce a coding and do not apply it.
pub(crate) fn unpacked(body: Bytes, coding: Coding, most: usize) -> Bytes {
    let packed = &*body;
    let unpacked = match coding {
        // By its first bytes, whatever the header says.
        _ if packed.starts_with(GZIP) => read(MultiGzDecoder::new(packed), most),
        // The standard means zlib, and some mean what is in it.
        Coding::Deflate => {
            read(ZlibDecoder::new(packed), most).or_else(|| read_whole(DeflateDecoder::new(packed), most))
        }
        Coding::Plain | Coding::Gzip | Coding::Other => None,
    };
    unpacked.map_or(body, Bytes::from)
}

/// What comes out before the end, an error or the bound; `None` for nothing.
fn read(decoder: impl Read, most: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    // A text that breaks off, because only its beginning was kept, is still a beginning.
    let _ = decoder.take(most as u64).read_to_end(&mut out);
    Some(out).filter(|out| !out.is_empty())
}

/// As [`read`], but only without an error: raw deflate has no mark to know it by, and almost any text begins like it.
fn read_whole(decoder: impl Read, most: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    decoder.take(most as u64).read_to_end(&mut out).ok().map(|_| out).filter(|out| !out.is_empty())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };

    use super::*;

    const TEXT: &[u8] = br#"{"challenge":"00"}"#;

    macro_rules! packed {
        ($encoder:ident, $text:expr) => {{
            let mut encoder = $encoder::new(Vec::new(), Compression::best());
            encoder.write_all($text).unwrap();
            Bytes::from(encoder.finish().unwrap())
        }};
    }

    #[test]
    fn the_usual_codings_are_unpacked() {
        for (packed, coding) in [
            (packed!(GzEncoder, TEXT), Coding::Gzip),
            (packed!(GzEncoder, TEXT), Coding::Plain),
            (packed!(ZlibEncoder, TEXT), Coding::Deflate),
            (packed!(DeflateEncoder, TEXT), Coding::Deflate),
        ] {
            assert_eq!(unpacked(packed, coding, 1_000), TEXT);
        }
    }

    #[test]
    fn what_does_not_unpack_stays_as_it_is() {
        for coding in [Coding::Plain, Coding::Gzip, Coding::Deflate, Coding::Other] {
            assert_eq!(unpacked(Bytes::from_static(TEXT), coding, 1_000), TEXT);
        }
        let broken = Bytes::from_static(b"\x1f\x8b\x08\x00bomb");
        assert_eq!(unpacked(broken.clone(), Coding::Gzip, 1_000), broken);
    }

    #[test]
    fn a_bomb_stays_within_the_bound() {
        let bomb = packed!(GzEncoder, &vec![b'a'; 10_000_000]);
        assert!(bomb.len() < 20_000);
        assert_eq!(unpacked(bomb, Coding::Gzip, 16_384), vec![b'a'; 16_384]);
    }
}
