//! The encoding of the messages in sled's log.
//!
//! The log is a sequence of segments. Each begins with a header that tells which part of the log it holds. Messages
//! follow: a checksum, a kind, a length, the number of the segment, the page that the message is about, and its
//! payload. A segment that is no longer needed is reused for a later part of the log.

/// Bytes of a segment's header.
pub(super) const SEGMENT_HEADER_BYTES: usize = 20;

/// No message begins this close to the end of a segment.
const RED_ZONE: usize = 32;

/// What a message does to its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing: the message was given up, or only marks a bound.
    Skip,
    /// The rest of the segment is empty.
    Cap,
    /// The page is no longer used.
    Free,
    /// The payload is the page.
    Replace,
    /// The payload is a change of the page.
    Link,
}

/// A whole message whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) kind: Kind,
    pub(super) page: u64,
    /// The number of its segment in the log.
    pub(super) segment: u64,
    pub(super) payload: &'a [u8],
    /// Header and payload, in bytes.
    pub(super) length: usize,
}

/// The header of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct SegmentHeader {
    /// The first byte of the log that the segment holds.
    pub(super) begins: u64,
    /// The log was written up to this byte when the segment was begun.
    pub(super) written_before: u64,
}

/// Reads the header of a segment; `None` if it is damaged.
pub(super) fn read_segment_header(header: &[u8; SEGMENT_HEADER_BYTES]) -> Option<SegmentHeader> {
    const MASK: u64 = 0x7FFF_FFFF_FFFF_FFFF;
    let (sum, rest) = header.split_first_chunk::<4>()?;
    let mut numbers = Reader(rest);
    let begins = u64::from_le_bytes(numbers.take_array()?) ^ MASK;
    // sled stores the last byte that was written, -1 if there was none.
    let written_before = (u64::from_le_bytes(numbers.take_array()?) ^ MASK).wrapping_add(1);
    let whole = !u32::from_le_bytes(*sum) == crc32fast::hash(rest);
    (whole && i64::try_from(begins).is_ok()).then_some(SegmentHeader { begins, written_before })
}

/// Whether a message can begin here.
pub(super) fn has_room(at: usize, segment_bytes: usize) -> bool {
    at + RED_ZONE <= segment_bytes
}

/// Reads the message that begins here; `None` if it is damaged, or there is none.
pub(super) fn read_message(segment: &[u8], at: usize) -> Option<Message<'_>> {
    let mut rest = Reader(segment.get(at..)?);
    let sum = u32::from_le_bytes(rest.take_array()?);
    let kind = match rest.byte()? {
        1 | 3 => Kind::Skip,
        2 => Kind::Cap,
        4 => Kind::Free,
        5..=9 => Kind::Replace,
        10 | 11 => Kind::Link,
        _ => return None,
    };
    let length = usize::try_from(rest.number()?).ok()?;
    let (number, page) = (rest.number()?, rest.number()?);
    let header_end = segment.len() - rest.0.len();
    let payload = rest.take(length)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(payload);
    hasher.update(&segment[at + size_of::<u32>()..header_end]);
    let length = header_end - at + length;
    (!hasher.finalize() == sum).then_some(Message { kind, page, segment: number, payload, length })
}

/// So many bytes of what was never written, or was wiped out since.
const BLANK: [u8; 4096] = [0; 4096];

/// The first message that begins here or further on, and where. Bytes that are no message are passed over one by one; where nothing was
/// written, which may be most of a file, many at a time: no kind of message is 0.
pub(super) fn next_message(segment: &[u8], mut at: usize) -> Option<(usize, Message<'_>)> {
    loop {
        if segment.get(at + size_of::<u32>()..)?.starts_with(&BLANK) {
            at += BLANK.len();
        } else if let Some(message) = read_message(segment, at) {
            return Some((at, message));
        } else {
            at += 1;
        }
    }
}

/// Reads sled's numbers and strings from the front of a buffer; `None` at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn take_array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take_array::<1>().map(|[byte]| byte)
    }

    /// A number of one to nine bytes.
    pub(super) fn number(&mut self) -> Option<u64> {
        let first = self.byte()?;
        Some(match first {
            0..=240 => first.into(),
            241..=248 => 240 + 256 * (u64::from(first) - 241) + u64::from(self.byte()?),
            249 => 2_288 + 256 * u64::from(self.byte()?) + u64::from(self.byte()?),
            _ => {
                let length = usize::from(first) - 247;
                let mut bytes = [0; 8];
                bytes[..length].copy_from_slice(self.take(length)?);
                u64::from_le_bytes(bytes)
            }
        })
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }
}
