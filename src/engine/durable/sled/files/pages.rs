//! Finds every page, from the snapshot and the log behind it, and checks whether it is whole.
//!
//! sled takes a damaged message in the part of the log that it replays for the end of the log, and goes on without the
//! rest: acknowledged changes would be lost silently. The [watermark](crate::engine::durable::sync_watermark) tells how
//! far the log was written and synced. So damage and a torn end can be told apart here, before sled opens the folder
//! and wipes out what it takes for torn.

use super::message::{
    Kind, Message, SEGMENT_HEADER_BYTES, SegmentHeader, has_room, next_message, read_message, read_segment_header,
};
use super::snapshot::{Address, Page, Snapshot};
use crate::engine::durable::sync_watermark::SyncWatermark;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// sled's page that lists the trees, and its page with a counter.
pub(super) const ROOTS_PAGE: u64 = 0;
const COUNTER_PAGE: u64 = 1;

/// The content of a page as it was written: the page and its changes.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) base: Vec<u8>,
    pub(super) changes: Vec<Vec<u8>>,
}

/// The log and the pages in it.
#[derive(Debug)]
pub(super) struct Pages {
    log: File,
    segment_bytes: usize,
    /// By number. A map, since a number may be any: a list up to a wrong one could be larger than memory.
    pub(super) table: BTreeMap<u64, Page>,
    /// Pages that can't be read.
    pub(super) damaged: BTreeSet<u64>,
    /// The offsets in the file of what was written since the folder was last opened and can't be read.
    pub(super) lost: Vec<u64>,
    /// Those of them that may have held changes of unknown pages.
    holes: Vec<u64>,
    /// The offset where the file ends too early; the largest number if it does not.
    cut_at: u64,
    /// Whether the file ends before known addresses. sled would then fail in the middle of its work.
    pub(super) cut_off: bool,
    /// Whether the segment is damaged in which sled went on when the folder was last opened. sled reads this segment
    /// from its start, and would find less than the snapshot lists. A file that ends inside it counts as damaged, too.
    pub(super) tip_damaged: bool,
    /// The offsets in the file of segments that follow a break in the log. Nothing in them was synced, but sled would
    /// go on with them as if nothing were missing.
    pub(super) stray: Vec<u64>,
    /// Whether changes of unknown pages may be lost.
    pub(super) uncertain: bool,
}

impl Pages {
    /// Finds all pages. `watermark` tells how far the log was synced; `None` if that is not known.
    pub(super) fn find(
        log: File,
        segment_bytes: usize,
        snapshot: Snapshot,
        watermark: Option<SyncWatermark>,
    ) -> io::Result<Self> {
        let mut pages = Self {
            log,
            segment_bytes,
            table: (0..).zip(snapshot.pages).collect(),
            damaged: BTreeSet::new(),
            lost: Vec::new(),
            holes: Vec::new(),
            cut_at: u64::MAX,
            cut_off: false,
            tip_damaged: false,
            stray: Vec::new(),
            uncertain: false,
        };
        pages.replay(snapshot.end, watermark)?;
        pages.forget_what_was_freed();
        if let Some(tip) = snapshot.tip {
            pages.check_tip(snapshot.end, tip)?;
        }
        pages.check()?;
        Ok(pages)
    }

    /// Whether a damaged page is one that sled can't do without.
    pub(super) fn is_headless(&self) -> bool {
        let used = |page| matches!(self.table.get(&page), Some(Page::Used(_)));
        let damaged = |page| self.damaged.contains(&page) || (!used(page) && !self.table.is_empty());
        damaged(ROOTS_PAGE) || damaged(COUNTER_PAGE) || self.has_unknown()
    }

    /// Whether nothing is known about some page below the last one.
    fn has_unknown(&self) -> bool {
        let is_gap = |(expected, (page, state)): (u64, (&u64, &Page))| expected != *page || *state == Page::Unknown;
        (0..).zip(&self.table).any(is_gap)
    }

    /// Reads a page; `None` if it is damaged or not used.
    pub(super) fn read(&self, page: u64) -> io::Result<Option<Content>> {
        let Some(Page::Used(addresses)) = self.table.get(&page) else {
            return Ok(None);
        };
        if self.damaged.contains(&page) {
            return Ok(None);
        }
        let mut payloads = Vec::with_capacity(addresses.len());
        for address in addresses {
            let segment = self.segment(address.file / self.segment_bytes as u64)?;
            match self.message_at(&segment, page, *address) {
                Some(message) => payloads.push(message.payload.to_vec()),
                None => return Ok(None),
            }
        }
        let changes = payloads.split_off(1);
        Ok(payloads.pop().map(|base| Content { base, changes }))
    }

    /// Replays the log behind the snapshot.
    fn replay(&mut self, begin: u64, watermark: Option<SyncWatermark>) -> io::Result<()> {
        let length = self.segment_bytes as u64;
        let synced = watermark.map_or(0, |watermark| watermark.log_end);
        let segments = self.segments_from(begin / length)?;
        let file_bytes = self.log.metadata()?.len();
        // sled cuts whole segments off the file, never a part of one.
        let is_cut =
            watermark.is_some_and(|watermark| file_bytes < watermark.file_bytes) && !file_bytes.is_multiple_of(length);
        let ends_early = segments.keys().next_back().is_none_or(|last| (last + 1) * length < synced);
        if synced > begin && (is_cut || ends_early) {
            self.cut_at = file_bytes;
            self.lose(file_bytes);
        }
        let connected = segments.values().map(|segment| segment.written_before).max().unwrap_or(0).max(synced);
        let (mut expected, mut ended) = (begin / length, false);
        for (number, segment) in segments {
            let log = number * length;
            // A missing segment further back was no longer needed.
            ended |= number != expected && log > connected;
            ended |= !segment.header_is_whole && log >= synced;
            if ended {
                self.stray.push(segment.at * length);
                continue;
            }
            expected = number + 1;
            if !segment.header_is_whole {
                // Only the header is known to be damaged so far.
                self.lost.push(segment.at * length);
            }
            let bytes = self.segment(segment.at)?;
            let from = if number == begin / length { usize::try_from(begin % length).unwrap_or(0) } else { 0 };
            ended = !self.replay_segment(&bytes, number, segment.at * length, from.max(SEGMENT_HEADER_BYTES), synced);
        }
        Ok(())
    }

    /// Checks the segment that holds this byte of the log, up to the byte, unless sled has freed the segment since.
    fn check_tip(&mut self, log: u64, file: u64) -> io::Result<()> {
        let length = self.segment_bytes as u64;
        let (number, at) = (log / length, file / length);
        let segment = self.segment(at)?;
        let header = segment.first_chunk().and_then(read_segment_header);
        self.tip_damaged = match header {
            Some(header) if header.begins == number * length => {
                let end = usize::try_from(file % length).unwrap_or(0);
                let mut read = SEGMENT_HEADER_BYTES;
                while read < end
                    && let Some(message) = read_message(&segment, read).filter(|message| message.segment == number)
                {
                    read += message.length;
                }
                read < end && self.is_in_use(at)
            }
            Some(header) => header.begins < log,
            None => self.is_in_use(at),
        };
        Ok(())
    }

    /// Whether a page is in this segment of the file. If none is, sled has freed the segment, and its content stands
    /// further on. The freed segment is cut off the file, wiped out, or reused, and any part of that may have reached
    /// the disk.
    fn is_in_use(&self, segment: u64) -> bool {
        let is_there = |address: &Address| address.file / self.segment_bytes as u64 == segment;
        self.table.values().any(|page| matches!(page, Page::Used(addresses) if addresses.iter().any(is_there)))
    }

    /// Applies the messages of one segment. Returns whether the log goes on behind it.
    fn replay_segment(&mut self, segment: &[u8], number: u64, file: u64, from: usize, synced: u64) -> bool {
        let log = number * self.segment_bytes as u64;
        let mut at = from;
        while has_room(at, self.segment_bytes) {
            if let Some(message) = read_message(segment, at).filter(|message| message.segment == number) {
                if message.kind == Kind::Cap {
                    return true;
                }
                self.apply(message, Address { log: log + at as u64, file: file + at as u64 });
                at += message.length;
                continue;
            }
            match next_message(segment, at + 1) {
                // The segment is no longer needed, and is being reused for a later part of the log.
                Some((_, message)) if message.segment > number => return true,
                // The write was under way when the process ended, or was not synced when the power was cut.
                _ if log + at as u64 >= synced => return false,
                Some((next, message)) if message.segment == number => {
                    self.lose(file + at as u64);
                    at = next;
                }
                _ => {
                    self.lose(file + at as u64);
                    return true;
                }
            }
        }
        true
    }

    /// Unreadable bytes in unused segments are no loss. A missing end of the file is.
    fn forget_what_was_freed(&mut self) {
        let length = self.segment_bytes as u64;
        let is_lost = |at: &u64| *at == self.cut_at || self.is_in_use(at / length);
        let (lost, holes) = (self.lost.iter().copied().filter(is_lost).collect(), self.holes.iter().any(is_lost));
        (self.lost, self.uncertain) = (lost, holes);
    }

    fn lose(&mut self, file: u64) {
        self.lost.push(file);
        self.holes.push(file);
    }

    fn apply(&mut self, message: Message<'_>, address: Address) {
        if message.kind == Kind::Skip {
            return;
        }
        match (message.kind, self.table.get_mut(&message.page)) {
            (Kind::Link, Some(Page::Used(addresses))) => {
                if addresses.last().is_none_or(|last| last.log < address.log) {
                    addresses.push(address);
                }
            }
            // The page itself is further on.
            (Kind::Link, _) => {}
            (Kind::Free, _) => drop(self.table.insert(message.page, Page::Free)),
            _ => drop(self.table.insert(message.page, Page::Used(vec![address]))),
        }
    }

    /// Reads every page, in their order on disk.
    fn check(&mut self) -> io::Result<()> {
        let file_bytes = self.log.metadata()?.len();
        let mut by_segment: BTreeMap<u64, Vec<(u64, Address)>> = BTreeMap::new();
        for (page, state) in &self.table {
            if let Page::Used(addresses) = state {
                self.cut_off |= addresses.iter().any(|address| address.file >= file_bytes);
                for address in addresses {
                    by_segment.entry(address.file / self.segment_bytes as u64).or_default().push((*page, *address));
                }
            }
        }
        for (segment, addresses) in by_segment {
            let segment = self.segment(segment)?;
            let damaged =
                addresses.into_iter().filter(|(page, address)| self.message_at(&segment, *page, *address).is_none());
            let damaged: Vec<u64> = damaged.map(|(page, _)| page).collect();
            self.damaged.extend(damaged);
        }
        Ok(())
    }

    fn message_at<'a>(&self, segment: &'a [u8], page: u64, address: Address) -> Option<Message<'a>> {
        let length = self.segment_bytes as u64;
        let message = read_message(segment, usize::try_from(address.file % length).ok()?)?;
        (message.page == page && message.segment == address.log / length).then_some(message)
    }

    /// The segment with this number in the file, as far as the file goes.
    fn segment(&self, at: u64) -> io::Result<Vec<u8>> {
        let length = self.segment_bytes as u64;
        // Files end before this, whatever a damaged address says.
        let Some(begin) = at.checked_mul(length).filter(|begin| *begin <= i64::MAX.unsigned_abs() - length) else {
            return Ok(Vec::new());
        };
        let mut segment = vec![0; self.segment_bytes];
        let mut filled = 0;
        while filled < segment.len() {
            match self.log.read_at(&mut segment[filled..], begin + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        segment.truncate(filled);
        Ok(segment)
    }

    /// Finds the segments that hold the log from the segment `first` on, in the order of the log.
    fn segments_from(&self, first: u64) -> io::Result<BTreeMap<u64, Segment>> {
        let length = self.segment_bytes as u64;
        let count = self.log.metadata()?.len().div_ceil(length);
        let mut segments = BTreeMap::new();
        let mut headless = Vec::new();
        for at in 0..count {
            let mut header = [0; SEGMENT_HEADER_BYTES];
            let whole = self.log.read_exact_at(&mut header, at * length).is_ok();
            let header = read_segment_header(&header).filter(|header| whole && header.begins.is_multiple_of(length));
            match header {
                Some(SegmentHeader { begins, written_before }) if begins / length >= first => {
                    segments.insert(begins / length, Segment { at, header_is_whole: true, written_before });
                }
                Some(_) => {}
                None => headless.push(at),
            }
        }
        for at in headless {
            let bytes = self.segment(at)?;
            let message = next_message(&bytes, SEGMENT_HEADER_BYTES).map(|(_, message)| message);
            // The log never gets so long that its segments can't be numbered.
            let numbers = first..=i64::MAX.unsigned_abs() / length - 1;
            if let Some(number) = message.map(|message| message.segment).filter(|number| numbers.contains(number)) {
                segments.entry(number).or_insert(Segment { at, header_is_whole: false, written_before: 0 });
            }
        }
        Ok(segments)
    }
}

/// A segment of the file.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// Its number in the file.
    at: u64,
    header_is_whole: bool,
    /// The log was written up to here when this segment was begun.
    written_before: u64,
}
