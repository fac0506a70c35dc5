//! Tests with made-up logs: they tell damage from what sled does itself.

use super::message::{SEGMENT_HEADER_BYTES, next_message};
use super::pages::Pages;
use super::snapshot::{Address, Page, Snapshot};
use crate::engine::durable::sync_watermark::SyncWatermark;
use std::io::Write;

const SEGMENT: usize = 512;
const CAP: u8 = 2;
const LINK: u8 = 10;
const NODE: u8 = 8;

/// A segment with its number in the log, and its messages: kind, page, and offset.
struct Segment {
    bytes: Vec<u8>,
    number: u8,
}

impl Segment {
    fn new(number: u8) -> Self {
        const MASK: u64 = 0x7FFF_FFFF_FFFF_FFFF;
        let begins = u64::from(number) * SEGMENT as u64;
        let rest = [(begins ^ MASK).to_le_bytes(), (begins.wrapping_sub(1) ^ MASK).to_le_bytes()].concat();
        let bytes = [&(!crc32fast::hash(&rest)).to_le_bytes()[..], &rest].concat();
        assert_eq!(bytes.len(), SEGMENT_HEADER_BYTES);
        Self { bytes, number }
    }

    /// Adds a message. Returns its offset in the segment.
    fn add(&mut self, kind: u8, page: u8) -> usize {
        let at = self.bytes.len();
        let payload = [page; 20];
        let header = [kind, u8::try_from(payload.len()).unwrap(), self.number, page];
        let sum = !crc32fast::hash(&[&payload[..], &header].concat());
        self.bytes.extend_from_slice(&[&sum.to_le_bytes()[..], &header, &payload].concat());
        at
    }

    /// Adds a message of any segment and page.
    fn add_numbered(&mut self, kind: u8, segment: u64, page: u64) {
        let numbers = [segment, page].map(|number| [&[255][..], &number.to_le_bytes()].concat()).concat();
        let header = [&[kind, 1][..], &numbers].concat();
        let sum = !crc32fast::hash(&[&[7][..], &header].concat());
        self.bytes.extend_from_slice(&[&sum.to_le_bytes()[..], &header, &[7]].concat());
    }

    fn address(&self, at: usize, segment_of_file: u64) -> Address {
        let at = at as u64;
        Address { log: u64::from(self.number) * SEGMENT as u64 + at, file: segment_of_file * SEGMENT as u64 + at }
    }
}

/// The pages of a log with these segments. The snapshot covers all before `tip`.
fn find(segments: &[&[u8]], tip: Address, known: Vec<Page>) -> Pages {
    let mut log = tempfile::tempfile().unwrap();
    for segment in segments {
        log.write_all(segment).unwrap();
        log.write_all(&vec![0; SEGMENT - segment.len()]).unwrap();
    }
    // Everything was synced: the log ends in the first segment of the file.
    let watermark = SyncWatermark {
        log_end: (5 * SEGMENT + segments[0].len()) as u64,
        file_bytes: (segments.len() * SEGMENT) as u64,
        ..SyncWatermark::default()
    };
    Pages::find(log, SEGMENT, Snapshot { end: tip.log, tip: Some(tip.file), pages: known }, Some(watermark)).unwrap()
}

/// Segment 4 of the log with page 2, the offset of that page, the end of the snapshot, and segment 5 with newer
/// versions of the pages 0 to 2.
fn log() -> (Segment, Address, Address, Segment) {
    let (mut old, mut new) = (Segment::new(4), Segment::new(5));
    let at = old.add(NODE, 2);
    old.add(LINK, 2);
    let (address, tip) = (old.address(at, 1), old.address(old.bytes.len(), 1));
    old.add(CAP, 0);
    for page in 0..3 {
        new.add(NODE, page);
    }
    (old, address, tip, new)
}

#[test]
fn a_whole_log_is_found_whole() {
    let (old, address, tip, new) = log();
    let pages = find(&[&new.bytes, &old.bytes], tip, vec![Page::Unknown, Page::Unknown, Page::Used(vec![address])]);
    assert!(!pages.tip_damaged && pages.lost.is_empty() && pages.damaged.is_empty());
    assert!(
        pages.table.values().all(|page| matches!(page, Page::Used(addresses) if addresses[0].file < SEGMENT as u64))
    );
}

#[test]
fn a_message_is_found_behind_any_number_of_zeros() {
    let mut message = Segment { bytes: Vec::new(), number: 5 };
    message.add(NODE, 1);
    for zeros in (0..20).chain(4_080..4_110).chain([8_191, 8_192, 100_000]) {
        let bytes = [&vec![0; zeros], &message.bytes[..], &[0; 9_000]].concat();
        let (at, found) = next_message(&bytes, 0).unwrap();
        assert_eq!((at, found.page, found.segment), (zeros, 1, 5));
        assert!(next_message(&bytes, at + 1).is_none());
    }
}

#[test]
fn any_number_of_a_page_takes_the_memory_of_one() {
    let (_, address, tip, new) = log();
    for page in [1 << 40, u64::MAX] {
        let mut strange = Segment { bytes: new.bytes.clone(), ..new };
        strange.add_numbered(NODE, 5, page);
        let pages = find(&[&strange.bytes], tip, vec![Page::Unknown, Page::Unknown, Page::Used(vec![address])]);
        assert_eq!(pages.table.len(), 4);
        assert!(pages.is_headless(), "nothing is known about those between");
    }
}

#[test]
fn a_segment_with_a_number_that_no_log_reaches_is_none() {
    let (_, _, tip, new) = log();
    let mut strange = Segment { bytes: vec![0; SEGMENT_HEADER_BYTES], number: 0 };
    strange.add_numbered(NODE, u64::MAX, 0);
    let pages = find(&[&new.bytes, &strange.bytes], tip, Vec::new());
    assert!(pages.lost.is_empty() && pages.stray.is_empty());
}

#[test]
fn damage_before_the_place_where_sled_went_on_is_found() {
    let (mut old, address, tip, mut new) = log();
    // Page 2 is still there.
    new.bytes.truncate(SEGMENT_HEADER_BYTES);
    new.add(NODE, 0);
    old.bytes[SEGMENT_HEADER_BYTES + 10] ^= 1;
    let pages = find(&[&new.bytes, &old.bytes], tip, vec![Page::Unknown, Page::Unknown, Page::Used(vec![address])]);
    assert!(pages.tip_damaged);
}

#[test]
fn a_segment_that_was_freed_and_cut_off_the_file_is_no_damage() {
    let (_, address, tip, new) = log();
    let pages = find(&[&new.bytes], tip, vec![Page::Unknown, Page::Unknown, Page::Used(vec![address])]);
    assert!(!pages.tip_damaged && !pages.cut_off);
}

#[test]
fn a_segment_that_was_cut_off_the_file_while_pages_are_in_it_is_damage() {
    let (_, address, tip, mut new) = log();
    new.bytes.truncate(SEGMENT_HEADER_BYTES);
    new.add(NODE, 0);
    let pages = find(&[&new.bytes], tip, vec![Page::Unknown, Page::Unknown, Page::Used(vec![address])]);
    assert!(pages.tip_damaged && pages.cut_off);
}

#[test]
fn a_freed_segment_of_which_only_the_end_was_written_anew_is_no_damage() {
    let (old, address, tip, new) = log();
    let mut next = Segment::new(6);
    next.add(LINK, 0);
    next.add(LINK, 0);
    // Neither the first message of the next part nor its header has reached the disk.
    let half = &next.bytes[SEGMENT_HEADER_BYTES + 28..];
    let mut torn = old.bytes[..SEGMENT_HEADER_BYTES + 28].to_vec();
    torn.extend_from_slice(half);
    let pages = find(&[&new.bytes, &torn], tip, vec![Page::Unknown, Page::Unknown, Page::Used(vec![address])]);
    assert!(!pages.tip_damaged, "a header of the earlier part stands before it");
    torn[..SEGMENT_HEADER_BYTES + 28].fill(0);
    let pages = find(&[&new.bytes, &torn], tip, vec![Page::Unknown, Page::Unknown, Page::Used(vec![address])]);
    assert!(!pages.tip_damaged, "nothing stands before it, since the file was cut off and grew again");
}

#[test]
fn a_freed_segment_that_was_wiped_out_in_part_is_no_damage() {
    let (old, address, _, new) = log();
    // The wiping was interrupted: the header is gone, the rest is still there.
    let mut torn = old.bytes.clone();
    torn[..SEGMENT_HEADER_BYTES + 4].fill(0);
    let known = || vec![Page::Unknown, Page::Unknown, Page::Used(vec![address])];
    let begin = Address { log: 4 * SEGMENT as u64, file: SEGMENT as u64 };
    let pages = find(&[&new.bytes, &torn], begin, known());
    assert_eq!(pages.lost, [0_u64; 0]);
    assert!(!pages.uncertain && !pages.tip_damaged);
    // If a page is nowhere else but in this segment, the damage is a loss.
    let mut torn = Segment::new(4);
    for (kind, page) in [(NODE, 2), (LINK, 2), (NODE, 3), (CAP, 0)] {
        torn.add(kind, page);
    }
    torn.bytes[..SEGMENT_HEADER_BYTES + 4].fill(0);
    let pages = find(&[&new.bytes, &torn.bytes], begin, known());
    assert!(!pages.lost.is_empty() && pages.uncertain);
}
