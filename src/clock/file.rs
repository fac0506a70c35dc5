//! The file `clock` in the data folder. It holds the newest time of the sessions for the next start.
//!
//! It is written every few seconds, so it says in advance how far the time may have gone before the next write. Two
//! copies in two sectors of the disk are written in turn. If a power cut tears one copy, the other is whole.

use super::Millis;
use super::source::{LATEST, Nanos};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The name of the file.
pub const CLOCK_FILE: &str = "clock";

/// The first word of each copy, which is its format.
const FORMAT: &str = "sessiond-clock-1";

/// The offset of the second copy. Each copy is shorter than this.
const COPY_BYTES: usize = 512;

/// The file with the ID of this boot of the machine.
const BOOT_FILE: &str = "/proc/sys/kernel/random/boot_id";

/// What the file says about the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The latest moment that the time may have reached.
    pub through: Millis,
    /// The time of the sessions at the write, in nanoseconds since the Unix epoch.
    pub(super) time: Nanos,
    /// The machine's elapsed time at the write.
    pub(super) elapsed: Nanos,
    /// The time of day at the write.
    pub(super) wall: Nanos,
    /// The boot of the machine to which the elapsed time belongs; `None` if boots have no ID here.
    pub boot: Option<String>,
}

impl Known {
    /// What is known from another machine.
    #[must_use]
    pub fn elsewhere(through: Millis) -> Self {
        Self { through, time: super::to_nanos(through), elapsed: 0, wall: 0, boot: None }
    }

    /// By how much the time may have got ahead of the elapsed time since, in nanoseconds. It moves only towards the
    /// time of day.
    pub(super) fn allowance(&self) -> Nanos {
        self.wall.saturating_sub(self.time).max(0)
    }

    fn encode(&self) -> String {
        let Self { through, time, elapsed, wall, boot } = self;
        let boot = boot.as_deref().unwrap_or("-");
        let content = format!("{FORMAT} through {through} time {time} elapsed {elapsed} wall {wall} boot {boot}");
        format!("{content} sum {:08x}\n", crc32fast::hash(content.as_bytes()))
    }

    fn decode(copy: &[u8]) -> Option<Self> {
        let end = copy.iter().position(|byte| *byte == b'\n')?;
        let (content, sum) = std::str::from_utf8(&copy[..end]).ok()?.rsplit_once(" sum ")?;
        if sum != format!("{:08x}", crc32fast::hash(content.as_bytes())) {
            return None;
        }
        let words: Vec<&str> = content.split(' ').collect();
        let [FORMAT, "through", through, "time", time, "elapsed", elapsed, "wall", wall, "boot", boot] = words[..]
        else {
            return None;
        };
        Some(Self {
            through: through.parse().ok()?,
            time: moment(time)?,
            elapsed: moment(elapsed)?,
            wall: moment(wall)?,
            boot: Some(boot).filter(|boot| *boot != "-").map(str::to_owned),
        })
    }
}

/// Nanoseconds that no clock exceeds, and with which a start can calculate.
fn moment(text: &str) -> Option<Nanos> {
    text.parse().ok().filter(|nanos| (-LATEST..=LATEST).contains(nanos))
}

/// The open file.
#[derive(Debug)]
pub struct ClockFile {
    file: File,
    /// Whether the second copy is written next.
    is_second_next: bool,
    known: Option<Known>,
}

impl ClockFile {
    /// Opens the file in this data folder, or creates it. The caller must have claimed the folder.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(folder.join(CLOCK_FILE))?;
        let mut bytes = Vec::new();
        (&mut file).take(2 * COPY_BYTES as u64).read_to_end(&mut bytes)?;
        let copies = [0, COPY_BYTES].map(|at| bytes.get(at..).and_then(Known::decode));
        if !bytes.is_empty() && copies.iter().all(Option::is_none) {
            tracing::warn!(
                "the file {CLOCK_FILE} in the data folder is damaged; the newest event tells the newest time"
            );
        }
        let [first, second] = copies;
        let key = |known: &Option<Known>| known.as_ref().map(|known| (known.time, known.through));
        let is_second_next = key(&first) >= key(&second);
        let known = if is_second_next { first } else { second };
        // The file's name must be durable, too.
        File::open(folder)?.sync_all()?;
        Ok(Self { file, is_second_next, known })
    }

    /// What the file says; `None` if it is new or damaged.
    #[must_use]
    pub fn known(&self) -> Option<&Known> {
        self.known.as_ref()
    }

    /// Writes the file durably.
    pub fn write(&mut self, known: Known) -> io::Result<()> {
        let mut copy = known.encode().into_bytes();
        copy.resize(COPY_BYTES, b' ');
        let at = if self.is_second_next { COPY_BYTES } else { 0 };
        self.file.write_all_at(&copy, at as u64)?;
        self.file.sync_data()?;
        self.is_second_next = !self.is_second_next;
        self.known = Some(known);
        Ok(())
    }

    /// Writes to a folder's file that its sessions have seen this moment, unless it has a later one. It is for sessions
    /// that come from somewhere else. No server may be using the folder.
    pub fn raise(folder: &Path, moment: Millis) -> io::Result<()> {
        let mut file = Self::open(folder)?;
        if file.known().is_none_or(|known| known.through < moment) {
            file.write(Known::elsewhere(moment))
        } else {
            Ok(())
        }
    }

    /// Copies what the folder `old` knows into the folder `new`. The old folder stays unchanged.
    pub fn inherit(old: &Path, new: &Path) -> io::Result<()> {
        let bytes = match std::fs::read(old.join(CLOCK_FILE)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            bytes => bytes?,
        };
        let through = [0, COPY_BYTES].into_iter().filter_map(|at| Known::decode(bytes.get(at..)?));
        match through.map(|known| known.through).max() {
            Some(through) => Self::raise(new, through),
            None => Ok(()),
        }
    }
}

/// The ID of this boot of the machine; `None` if there is none.
pub(super) fn boot() -> Option<String> {
    let name = std::fs::read_to_string(BOOT_FILE).ok()?;
    let name = name.trim();
    (!name.is_empty() && name.len() <= 64 && !name.contains(char::is_whitespace)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(time: Nanos) -> Known {
        Known { through: 5, time, elapsed: 3, wall: -4, boot: Some("a-b".to_owned()) }
    }

    fn read(folder: &Path) -> Option<Known> {
        ClockFile::open(folder).unwrap().known().cloned()
    }

    #[test]
    fn the_newest_copy_is_read_and_a_torn_one_leaves_the_other() {
        let temp = tempfile::tempdir().unwrap();
        let mut file = ClockFile::open(temp.path()).unwrap();
        assert_eq!(file.known(), None);
        for time in 1..6 {
            file.write(known(time)).unwrap();
            assert_eq!(read(temp.path()), Some(known(time)));
        }
        let path = temp.path().join(CLOCK_FILE);
        let whole = std::fs::read(&path).unwrap();
        // The fifth was written into the second copy.
        for (at, left) in [(10, 5), (COPY_BYTES + 10, 4)] {
            let mut torn = whole.clone();
            torn[at] ^= 1;
            std::fs::write(&path, torn).unwrap();
            assert_eq!(read(temp.path()), Some(known(left)));
        }
        std::fs::write(&path, "nonsense").unwrap();
        assert_eq!(read(temp.path()), None);
    }

    #[test]
    fn what_no_clock_shows_is_damage() {
        let temp = tempfile::tempdir().unwrap();
        let mut file = ClockFile::open(temp.path()).unwrap();
        for strange in [Nanos::MIN, -LATEST - 1, LATEST + 1, Nanos::MAX] {
            for strange in [known(strange), Known { elapsed: strange, ..known(1) }, Known { wall: strange, ..known(1) }]
            {
                file.write(strange.clone()).unwrap();
                file.write(strange.clone()).unwrap();
                assert_eq!(read(temp.path()), None, "{strange:?}");
            }
        }
    }

    #[test]
    fn another_folder_takes_over_no_more_than_it_knows() {
        let [old, new] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        ClockFile::inherit(old.path(), new.path()).unwrap();
        assert_eq!(read(new.path()), None);
        ClockFile::open(old.path()).unwrap().write(known(1)).unwrap();
        ClockFile::inherit(old.path(), new.path()).unwrap();
        assert_eq!(read(new.path()), Some(Known::elsewhere(5)));
        ClockFile::raise(new.path(), 4).unwrap();
        assert_eq!(read(new.path()).unwrap().through, 5);
        ClockFile::raise(new.path(), 6).unwrap();
        assert_eq!(read(new.path()).unwrap().through, 6);
    }
}
