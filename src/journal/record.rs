//! The bytes of the journal.
//!
//! A stream begins with a header of 32 bytes; all numbers are little-endian:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `HEADCNTJ` |
//! | 8 | 2 | format version, now 2; 1 is read too |
//! | 10 | 2 | 0 |
//! | 12 | 8 | the stream's number, as in its file name |
//! | 20 | 8 | when it was opened, milliseconds since 1970 |
//! | 28 | 4 | CRC-32C of the 28 bytes before |
//!
//! Then records follow, one after the other:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 2 | length of the body |
//! | 2 | 4 | CRC-32C of the two length bytes and the body |
//! | 6 | 1 | kind: 0 view, 1 ping, 2 leave, 3 peak |
//! | 7 | 1 | flags: 1 a previous id follows, 2 a page follows, 4 a visit was open, 8 details follow |
//! | 8 | 8 | moment, milliseconds since 1970 |
//! | 16 | 1 + n | site id, after its length |
//! | | 4 | peak: the number online; else the day, days since 1970 |
//! | | 8 | visitor (not in a peak) |
//! | | 8 | previous id, by flag |
//! | | 4 | leave: milliseconds since the page's last beacon |
//! | | 2 + n | page, after its length, by flag |
//! | | 1 + n | details, by flag |
//!
//! Details are what a view tells for reports; the first byte says what is there, in this order:
//!
//! | bit | bytes | what |
//! |---|---|---|
//! | 1 | 3 | browser, system, device, a number each |
//! | 2 | 1 | screen, a number |
//! | 4 | 2 | language, five bits a letter, the first in the lowest |
//! | 8 | 2 | country, likewise |
//! | 16 | 1 + n | referrer's host, after its length |
//! | 32, 64, 128 | 1 + n each | campaign, source, medium, after their lengths |
//!
//! The numbers are those of [`crate::details`]. Format 1 is the same without flag 8, so that one reader
//! reads both; the version in the header keeps older releases away from what they cannot read.
//!
//! A body is never empty, so a run of zeros is damage and never a record.

use crate::details::{Browser, Country, Details, Device, Language, Screen, System, Traits};
use crate::words::{Day, Kind, Record, StreamId, Touch, UnixMillis, VisitorId};

/// The format that this build writes.
pub(crate) const VERSION: u16 = 2;
/// Bytes before the first record.
pub(crate) const HEADER_BYTES: usize = 32;
const MAGIC: &[u8; 8] = b"HEADCNTJ";
/// Length and checksum.
const HEAD_BYTES: usize = 6;
/// The longest record: every field present and at its bound.
pub(crate) const RECORD_BYTES_MAX: usize =
    HEAD_BYTES + 10 + 65 + 4 + 8 + 8 + 4 + 2 + 1_024 + DETAILS_BYTES_MAX;
const DETAILS_BYTES_MAX: usize =
    1 + 3 + 1 + 2 + 2 + (1 + Details::REFERRER_BYTES_MAX) + 3 * (1 + Details::TAG_BYTES_MAX);
const PEAK: u8 = 3;
const HAS_PREVIOUS: u8 = 1;
const HAS_PAGE: u8 = 2;
const IN_VISIT: u8 = 4;
const HAS_DETAILS: u8 = 8;
const HAS_AGENT: u8 = 1;
const HAS_SCREEN: u8 = 2;
const HAS_LANGUAGE: u8 = 4;
const HAS_COUNTRY: u8 = 8;
const HAS_REFERRER: u8 = 16;
const HAS_CAMPAIGN: u8 = 32;
const HAS_SOURCE: u8 = 64;
const HAS_MEDIUM: u8 = 128;

/// What a stream's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    Sound { stream: StreamId },
    Torn,
    Damaged,
    Newer { version: u16 },
}

pub(crate) fn header(stream: StreamId, opened: UnixMillis) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..20].copy_from_slice(&stream.0.to_le_bytes());
    bytes[20..28].copy_from_slice(&opened.0.to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..28]);
    bytes[28..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

pub(crate) fn read_header(bytes: &[u8]) -> Header {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return Header::Torn };
    let mut reader = Reader(&header[8..]);
    let (Some(version), Some(_), Some(stream), Some(_), Some(checksum)) =
        (reader.u16(), reader.u16(), reader.u64(), reader.u64(), reader.u32())
    else {
        return Header::Damaged;
    };
    if &header[..8] != MAGIC {
        Header::Damaged
    } else if version > VERSION {
        Header::Newer { version }
    } else if checksum != crc32c::crc32c(&header[..28]) {
        Header::Damaged
    } else {
        Header::Sound { stream: StreamId(stream) }
    }
}

/// Appends the bytes of a record.
pub fn encode(record: &Record<'_>, into: &mut Vec<u8>) {
    let start = into.len();
    into.extend_from_slice(&[0; HEAD_BYTES]);
    match record {
        Record::Touch(touch) => encode_touch(touch, into),
        Record::Peak { site, count, at } => {
            into.extend_from_slice(&[PEAK, 0]);
            into.extend_from_slice(&at.0.to_le_bytes());
            encode_site(site, into);
            into.extend_from_slice(&count.to_le_bytes());
        }
    }
    let length = u16::try_from(into.len() - start - HEAD_BYTES).expect("fields are bounded at the door");
    let length = length.to_le_bytes();
    // For a moment the length stands right before the body, so that one pass checks both.
    let checked = start + HEAD_BYTES - length.len();
    into[checked..start + HEAD_BYTES].copy_from_slice(&length);
    let checksum = crc32c::crc32c(&into[checked..]);
    into[start..start + 2].copy_from_slice(&length);
    into[start + 2..start + HEAD_BYTES].copy_from_slice(&checksum.to_le_bytes());
}

fn encode_touch(touch: &Touch<'_>, into: &mut Vec<u8>) {
    let previous = if touch.previous.is_some() { HAS_PREVIOUS } else { 0 };
    let page = if touch.page.is_some() { HAS_PAGE } else { 0 };
    let in_visit = if touch.in_visit { IN_VISIT } else { 0 };
    let kind = u8::try_from(touch.kind.index()).expect("there are three kinds");
    let details = present(&touch.details);
    let has_details = if details == 0 { 0 } else { HAS_DETAILS };
    into.extend_from_slice(&[kind, previous | page | in_visit | has_details]);
    into.extend_from_slice(&touch.at.0.to_le_bytes());
    encode_site(touch.site, into);
    into.extend_from_slice(&touch.day.0.to_le_bytes());
    into.extend_from_slice(&touch.visitor.0.to_le_bytes());
    if let Some(previous) = touch.previous {
        into.extend_from_slice(&previous.0.to_le_bytes());
    }
    if touch.kind == Kind::Leave {
        into.extend_from_slice(&touch.since_last_ms.to_le_bytes());
    }
    if let Some(page) = touch.page {
        let length = u16::try_from(page.len()).expect("pages are bounded at the door");
        into.extend_from_slice(&length.to_le_bytes());
        into.extend_from_slice(page.as_bytes());
    }
    if details != 0 {
        into.push(details);
        encode_details(&touch.details, details, into);
    }
}

/// The bits of what is there.
fn present(details: &Details<'_>) -> u8 {
    let traits = details.traits;
    let agent = (traits.browser, traits.system, traits.device);
    let is_there = [
        (HAS_AGENT, agent != (Browser::Unknown, System::Unknown, Device::Unknown)),
        (HAS_SCREEN, traits.screen != Screen::Unknown),
        (HAS_LANGUAGE, traits.language.is_some()),
        (HAS_COUNTRY, traits.country.is_some()),
        (HAS_REFERRER, details.referrer.is_some()),
        (HAS_CAMPAIGN, details.campaign.is_some()),
        (HAS_SOURCE, details.source.is_some()),
        (HAS_MEDIUM, details.medium.is_some()),
    ];
    is_there.into_iter().fold(0, |bits, (bit, there)| if there { bits | bit } else { bits })
}

fn encode_details(details: &Details<'_>, bits: u8, into: &mut Vec<u8>) {
    let Traits { browser, system, device, screen, language, country } = details.traits;
    if bits & HAS_AGENT != 0 {
        into.extend_from_slice(&[browser.wire(), system.wire(), device.wire()]);
    }
    if bits & HAS_SCREEN != 0 {
        into.push(screen.wire());
    }
    if let Some(language) = language {
        into.extend_from_slice(&language.wire().to_le_bytes());
    }
    if let Some(country) = country {
        into.extend_from_slice(&country.wire().to_le_bytes());
    }
    for name in [details.referrer, details.campaign, details.source, details.medium].into_iter().flatten() {
        into.push(u8::try_from(name.len()).expect("names are bounded at the door"));
        into.extend_from_slice(name.as_bytes());
    }
}

fn encode_site(site: &str, into: &mut Vec<u8>) {
    into.push(u8::try_from(site.len()).expect("site ids are at most 64 bytes"));
    into.extend_from_slice(site.as_bytes());
}

/// Where the record at the beginning of `bytes` stands in time, if one is there whole: twice its moment, and
/// one more if it found a visit open, so that within the same moment those come later. Its checksum is not
/// looked at. One plain number, since it is compared for every record of a start.
pub(crate) fn peek_order(bytes: &[u8]) -> Option<u64> {
    let flags = bytes.get(7)?;
    let at = u64::from_le_bytes(*bytes.get(8..16)?.first_chunk()?);
    // The largest number says that a stream is at its end.
    Some(at.saturating_mul(2).saturating_add(u64::from(flags & IN_VISIT != 0)).min(u64::MAX - 1))
}

/// Reads the record at the beginning of `bytes` and says how long it is; `None` when no sound
/// record stands there.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let length = bytes.first_chunk::<2>()?;
    let checksum = u32::from_le_bytes(*bytes.get(2..HEAD_BYTES)?.first_chunk()?);
    let end = HEAD_BYTES + usize::from(u16::from_le_bytes(*length));
    let body = bytes.get(HEAD_BYTES..end)?;
    if checksum != crc32c::crc32c_append(crc32c::crc32c(length), body) {
        return None;
    }
    let mut reader = Reader(body);
    let record = decode_body(&mut reader)?;
    reader.0.is_empty().then_some((record, end))
}

/// What memory needs of a record that this process has encoded and nobody has had in hand since: as
/// [`decode`], but the checksum is not looked at and the details are left out.
#[must_use]
pub fn decode_own(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let end = HEAD_BYTES + usize::from(u16::from_le_bytes(*bytes.first_chunk::<2>()?));
    let record = decode_but_details(&mut Reader(bytes.get(HEAD_BYTES..end)?))?.0;
    Some((record, end))
}

fn decode_body<'a>(reader: &mut Reader<'a>) -> Option<Record<'a>> {
    match decode_but_details(reader)? {
        (Record::Touch(touch), true) => {
            Some(Record::Touch(Touch { details: decode_details(reader)?, ..touch }))
        }
        (record, _) => Some(record),
    }
}

/// A record up to its details, and whether there are any.
fn decode_but_details<'a>(reader: &mut Reader<'a>) -> Option<(Record<'a>, bool)> {
    let kind = reader.u8()?;
    let flags = reader.u8()?;
    let at = UnixMillis(reader.u64()?);
    let site_bytes = usize::from(reader.u8()?);
    let site = reader.text(site_bytes)?;
    if kind == PEAK {
        return Some((Record::Peak { site, count: reader.u32()?, at }, false));
    }
    let kind = *Kind::ALL.get(usize::from(kind))?;
    let day = Day(reader.u32()?.cast_signed());
    let visitor = VisitorId(reader.u64()?);
    let previous = if flags & HAS_PREVIOUS == 0 { None } else { Some(VisitorId(reader.u64()?)) };
    let since_last_ms = if kind == Kind::Leave { reader.u32()? } else { 0 };
    let page = if flags & HAS_PAGE == 0 {
        None
    } else {
        let page_bytes = usize::from(reader.u16()?);
        Some(reader.text(page_bytes)?)
    };
    let in_visit = flags & IN_VISIT != 0;
    let details = Details::default();
    let touch = Touch { kind, at, site, day, visitor, previous, in_visit, since_last_ms, page, details };
    Some((Record::Touch(touch), flags & HAS_DETAILS != 0))
}

fn decode_details<'a>(reader: &mut Reader<'a>) -> Option<Details<'a>> {
    let bits = reader.u8()?;
    let mut traits = Traits::default();
    if bits & HAS_AGENT != 0 {
        let [browser, system, device] = reader.take()?;
        traits.browser = Browser::from_wire(browser);
        traits.system = System::from_wire(system);
        traits.device = Device::from_wire(device);
    }
    if bits & HAS_SCREEN != 0 {
        traits.screen = Screen::from_wire(reader.u8()?);
    }
    if bits & HAS_LANGUAGE != 0 {
        traits.language = Language::from_wire(reader.u16()?);
    }
    if bits & HAS_COUNTRY != 0 {
        traits.country = Country::from_wire(reader.u16()?);
    }
    let mut name = |bit: u8| -> Option<Option<&'a str>> {
        if bits & bit == 0 {
            return Some(None);
        }
        let bytes = usize::from(reader.u8()?);
        reader.text(bytes).map(Some)
    };
    let (referrer, campaign) = (name(HAS_REFERRER)?, name(HAS_CAMPAIGN)?);
    let (source, medium) = (name(HAS_SOURCE)?, name(HAS_MEDIUM)?);
    Some(Details { traits, referrer, campaign, source, medium })
}

/// Whether a sound record stands anywhere in `bytes`: then damage before it is not a torn end.
pub(crate) fn holds_a_record(bytes: &[u8]) -> bool {
    (0..bytes.len()).any(|at| {
        let window = &bytes[at..bytes.len().min(at + RECORD_BYTES_MAX)];
        window.first_chunk::<2>().is_some_and(|length| u16::from_le_bytes(*length) >= 15)
            && decode(window).is_some()
    })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn text(&mut self, bytes: usize) -> Option<&'a str> {
        let (head, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        std::str::from_utf8(head).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn touch<'a>(kind: Kind, site: &'a str, page: Option<&'a str>, numbers: [u64; 3]) -> Record<'a> {
        Record::Touch(Touch {
            kind,
            at: UnixMillis(numbers[0]),
            site,
            day: Day(20_000),
            visitor: VisitorId(numbers[1]),
            in_visit: numbers[2].is_multiple_of(3),
            previous: numbers[2].is_multiple_of(2).then_some(VisitorId(numbers[2])),
            since_last_ms: if kind == Kind::Leave { 1_234 } else { 0 },
            page,
            details: Details::default(),
        })
    }

    fn with_details<'a>(record: Record<'a>, details: Details<'a>) -> Record<'a> {
        match record {
            Record::Touch(touch) => Record::Touch(Touch { details, ..touch }),
            peak @ Record::Peak { .. } => peak,
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(kind in 0_usize..3, site in "[a-z]{1,64}", page in "\\PC{0,200}", numbers: [u64; 3], named: bool) {
            let record = touch(Kind::ALL[kind], &site, named.then_some(&page), numbers);
            let mut bytes = Vec::new();
            encode(&record, &mut bytes);
            let length = bytes.len();
            prop_assert!(length <= RECORD_BYTES_MAX);
            bytes.extend_from_slice(b"what follows");
            prop_assert_eq!(decode(&bytes), Some((record, length)));
            prop_assert_eq!(peek_order(&bytes).map(|order| order / 2), Some(record.at().0.min(u64::MAX / 2)));
        }

        #[test]
        fn details_are_read_as_they_were_written(
            packed: u64,
            names in prop::array::uniform4(prop::option::of("[a-z.ế ]{1,30}")),
            page in prop::option::of("/[a-z]{0,20}"),
            numbers: [u64; 3],
        ) {
            let [referrer, campaign, source, medium] = [0, 1, 2, 3].map(|n: usize| names[n].as_deref());
            let details = Details { traits: Traits::from_packed(packed), referrer, campaign, source, medium };
            let record = with_details(touch(Kind::View, "vks", page.as_deref(), numbers), details);
            let mut bytes = Vec::new();
            encode(&record, &mut bytes);
            prop_assert_eq!(decode(&bytes), Some((record, bytes.len())));
        }

        #[test]
        fn any_flipped_bit_and_any_cut_is_seen(bit in 0_usize..8, place: prop::sample::Index, numbers: [u64; 3]) {
            let mut bytes = Vec::new();
            encode(&touch(Kind::Leave, "demo", Some("/page"), numbers), &mut bytes);
            let place = place.index(bytes.len());
            prop_assert!(decode(&bytes[..place]).is_none());
            bytes[place] ^= 1 << bit;
            prop_assert!(decode(&bytes).is_none());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
            let _ = read_header(&bytes);
            let _ = holds_a_record(&bytes);
        }
    }

    #[test]
    fn the_longest_record_is_within_its_bound() {
        let (site, page) = ("s".repeat(64), "/".repeat(1_024));
        let mut bytes = Vec::new();
        let (host, tag) = ("r".repeat(Details::REFERRER_BYTES_MAX), "c".repeat(Details::TAG_BYTES_MAX));
        let details = Details {
            traits: Traits {
                browser: Browser::Chrome,
                system: System::Linux,
                device: Device::Desktop,
                screen: Screen::From1440,
                language: Language::of_header(b"vi"),
                country: Country::parse(b"VN"),
            },
            referrer: Some(&host),
            campaign: Some(&tag),
            source: Some(&tag),
            medium: Some(&tag),
        };
        encode(&with_details(touch(Kind::Leave, &site, Some(&page), [1, 2, 2]), details), &mut bytes);
        assert_eq!(bytes.len(), RECORD_BYTES_MAX);
    }

    /// Written by the first release, kept here byte for byte.
    #[test]
    fn a_record_of_the_first_format_is_read() {
        let mut body = vec![0, HAS_PAGE | IN_VISIT];
        body.extend(1_795_390_000_000_u64.to_le_bytes());
        body.extend(b"\x03vks");
        body.extend(20_779_u32.to_le_bytes());
        body.extend(77_u64.to_le_bytes());
        body.extend(b"\x04\x00/tin");
        let length = u16::try_from(body.len()).expect("short").to_le_bytes();
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&length), &body);
        let bytes = [&length[..], &checksum.to_le_bytes(), &body].concat();
        let Some((Record::Touch(touch), _)) = decode(&bytes) else { panic!("a touch") };
        assert_eq!((touch.site, touch.page, touch.in_visit), ("vks", Some("/tin"), true));
        assert_eq!(touch.details, Details::default());
    }

    #[test]
    fn streams_of_both_formats_open_and_a_later_one_is_named() {
        let mut bytes = header(StreamId(7), UnixMillis(1));
        for version in 1..=3_u16 {
            bytes[8..10].copy_from_slice(&version.to_le_bytes());
            let checksum = crc32c::crc32c(&bytes[..28]);
            bytes[28..].copy_from_slice(&checksum.to_le_bytes());
            let expected = if version <= VERSION {
                Header::Sound { stream: StreamId(7) }
            } else {
                Header::Newer { version }
            };
            assert_eq!(read_header(&bytes), expected);
        }
    }

    #[test]
    fn zeros_are_damage() {
        assert!(decode(&[0; 64]).is_none());
        assert!(!holds_a_record(&[0; 64]));
    }
}
