//! A disk in memory. It forgets what was not synced when its power is cut, and it can be full or broken.
//!
//! The data and the size of a file are durable from its fsync or fdatasync on. The names in a folder are durable from
//! the fsync of the folder on, or from the fsync of a file that was named after them, because journals keep the order
//! of names. Of everything else a cut leaves any part: none, the first writes, some writes in any order, or some
//! sectors of some writes.

use fastrand::Rng;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::ops::Bound;

/// The size of a sector, which the disk writes as a whole, in bytes.
const SECTOR: usize = 512;

pub(crate) type Inode = u64;
pub(crate) const ROOT: Inode = 1;

/// Why the disk refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Missing,
    /// No power, or the device fails.
    Broken,
    Full,
    Exists,
    NotEmpty,
}

/// Which requests never end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hang {
    #[default]
    Nothing,
    /// A sync, while everything else works.
    Syncs,
    /// Any request.
    Everything,
}

/// What is wrong with the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) hang: Hang,
    /// A file that would grow meets "no space left".
    pub(crate) full: bool,
    /// Writes meet an I/O error.
    pub(crate) breaks_writes: bool,
    /// Syncs meet an I/O error.
    pub(crate) breaks_syncs: bool,
}

#[derive(Clone, Debug)]
enum DataChange {
    Write(usize, Vec<u8>),
    SetLength(usize),
}

/// A file or a folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    pub(crate) is_folder: bool,
    pub(crate) data: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<DataChange>,
}

type Names = BTreeMap<(Inode, OsString), Inode>;

#[derive(Clone, Debug)]
enum NameChange {
    Add(Inode, OsString, Inode),
    Remove(Inode, OsString),
    Rename((Inode, OsString), (Inode, OsString)),
}

/// How much unsynced data survives a cut.
#[derive(Clone, Copy, Debug)]
enum Survival {
    Nothing,
    /// The first changes of each file.
    First,
    /// Any changes; a percentage.
    Changes(u8),
    /// Any sectors of any writes; a percentage.
    Sectors(u8),
}

pub(crate) struct Disk {
    nodes: HashMap<Inode, Node>,
    names: Names,
    durable_names: Names,
    pending_names: Vec<NameChange>,
    next: Inode,
    pub(crate) faults: Faults,
    /// What the disk says that it has left, in bytes.
    pub(crate) free_bytes: u64,
    /// All that was ever written, in bytes.
    pub(crate) written_bytes: u64,
    has_power: bool,
    /// The power goes with this change, counted from now.
    cut_in: Option<u64>,
}

impl Disk {
    pub(crate) fn new() -> Self {
        let root = Node { is_folder: true, ..Node::default() };
        Self {
            nodes: HashMap::from([(ROOT, root)]),
            names: Names::new(),
            durable_names: Names::new(),
            pending_names: Vec::new(),
            next: ROOT + 1,
            faults: Faults::default(),
            free_bytes: 64 << 30,
            written_bytes: 0,
            has_power: true,
            cut_in: None,
        }
    }

    pub(crate) fn has_power(&self) -> bool {
        self.has_power
    }

    /// How much was written, and into how much: with less of the latter, space was used again.
    pub(crate) fn use_of_space(&self) -> String {
        let held: usize = self.nodes.values().map(|node| node.data.len()).sum();
        format!("{} MiB written to files of {} MiB", self.written_bytes >> 20, held >> 20)
    }

    /// Cuts the power at the given change from now: a write, a sync, a change of names.
    pub(crate) fn cut_in(&mut self, changes: u64) {
        self.cut_in = Some(changes);
    }

    pub(crate) fn cut_now(&mut self) {
        self.has_power = false;
    }

    /// Gives the power back; what was not durable is gone, but for what chance has left of it. Says how the chance was.
    pub(crate) fn restore(&mut self, rng: &mut Rng) -> String {
        let survival = match rng.u8(..4) {
            0 => Survival::Nothing,
            1 => Survival::First,
            2 => Survival::Changes(rng.u8(1..100)),
            _ => Survival::Sectors(rng.u8(1..100)),
        };
        let names = rng.usize(..=self.pending_names.len());
        let mut pending = 0;
        for change in self.pending_names.drain(..).take(names) {
            change.apply(&mut self.durable_names);
        }
        self.names.clone_from(&self.durable_names);
        let reachable: HashSet<Inode> = self.names.values().copied().collect();
        self.nodes.retain(|inode, _| *inode == ROOT || reachable.contains(inode));
        let mut inodes: Vec<Inode> = self.nodes.keys().copied().collect();
        inodes.sort_unstable();
        for inode in inodes {
            let node = self.nodes.get_mut(&inode).unwrap();
            pending += node.pending.len();
            node.lose_power(survival, rng);
        }
        (self.has_power, self.cut_in) = (true, None);
        format!("{survival:?} of {pending} changes of data, {names} changes of names")
    }

    /// Counts a change. `Ok(true)` if the power goes while it is made.
    fn spend(&mut self) -> Result<bool, Refusal> {
        self.powered()?;
        match &mut self.cut_in {
            Some(0) => self.has_power = false,
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(!self.has_power)
    }

    pub(crate) fn powered(&self) -> Result<(), Refusal> {
        if self.has_power { Ok(()) } else { Err(Refusal::Broken) }
    }

    pub(crate) fn node(&self, inode: Inode) -> Result<&Node, Refusal> {
        self.powered()?;
        self.nodes.get(&inode).ok_or(Refusal::Missing)
    }

    pub(crate) fn find(&self, folder: Inode, name: &OsStr) -> Result<Inode, Refusal> {
        self.powered()?;
        self.names.get(&(folder, name.to_owned())).copied().ok_or(Refusal::Missing)
    }

    /// What stands in a folder, by inode, from the one after `after`.
    pub(crate) fn list(&self, folder: Inode, after: Inode) -> Result<Vec<(Inode, OsString)>, Refusal> {
        self.powered()?;
        let from = (Bound::Included((folder, OsString::new())), Bound::Excluded((folder + 1, OsString::new())));
        let mut found: Vec<_> = self.names.range(from).map(|((_, name), inode)| (*inode, name.clone())).collect();
        found.retain(|(inode, _)| *inode > after);
        found.sort_unstable();
        Ok(found)
    }

    fn change_names(&mut self, change: NameChange) -> Result<(), Refusal> {
        let dies = self.spend()?;
        change.apply(&mut self.names);
        self.pending_names.push(change);
        if dies { Err(Refusal::Broken) } else { Ok(()) }
    }

    pub(crate) fn create(&mut self, folder: Inode, name: &OsStr, is_folder: bool) -> Result<Inode, Refusal> {
        if self.find(folder, name).is_ok() {
            return Err(Refusal::Exists);
        }
        if self.faults.full {
            return Err(Refusal::Full);
        }
        let inode = self.next;
        self.next += 1;
        self.nodes.insert(inode, Node { is_folder, ..Node::default() });
        self.change_names(NameChange::Add(folder, name.to_owned(), inode))?;
        Ok(inode)
    }

    pub(crate) fn remove(&mut self, folder: Inode, name: &OsStr) -> Result<(), Refusal> {
        let inode = self.find(folder, name)?;
        if !self.list(inode, 0)?.is_empty() {
            return Err(Refusal::NotEmpty);
        }
        self.change_names(NameChange::Remove(folder, name.to_owned()))
    }

    pub(crate) fn rename(&mut self, from: (Inode, &OsStr), to: (Inode, &OsStr)) -> Result<(), Refusal> {
        self.find(from.0, from.1)?;
        self.change_names(NameChange::Rename((from.0, from.1.to_owned()), (to.0, to.1.to_owned())))
    }

    pub(crate) fn write(&mut self, inode: Inode, offset: usize, bytes: &[u8]) -> Result<(), Refusal> {
        let length = self.node(inode)?.data.len();
        if self.faults.breaks_writes {
            return Err(Refusal::Broken);
        }
        if self.faults.full && offset + bytes.len() > length {
            return Err(Refusal::Full);
        }
        self.written_bytes += bytes.len() as u64;
        self.change_data(inode, DataChange::Write(offset, bytes.to_vec()))
    }

    pub(crate) fn set_length(&mut self, inode: Inode, length: usize) -> Result<(), Refusal> {
        self.node(inode)?;
        self.change_data(inode, DataChange::SetLength(length))
    }

    fn change_data(&mut self, inode: Inode, change: DataChange) -> Result<(), Refusal> {
        let dies = self.spend()?;
        let node = self.nodes.get_mut(&inode).ok_or(Refusal::Missing)?;
        change.apply(&mut node.data);
        node.pending.push(change);
        if dies { Err(Refusal::Broken) } else { Ok(()) }
    }

    pub(crate) fn sync(&mut self, inode: Inode) -> Result<(), Refusal> {
        self.node(inode)?;
        if self.faults.breaks_syncs || self.spend()? {
            return Err(Refusal::Broken);
        }
        let node = self.nodes.get_mut(&inode).ok_or(Refusal::Missing)?;
        for change in node.pending.drain(..) {
            change.apply(&mut node.durable);
        }
        let is_folder = node.is_folder;
        let names = &self.names;
        let last = self.pending_names.iter().rposition(|change| change.concerns(inode, is_folder, names));
        for change in self.pending_names.drain(..last.map_or(0, |last| last + 1)) {
            change.apply(&mut self.durable_names);
        }
        Ok(())
    }
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Add(folder, name, inode) => drop(names.insert((*folder, name.clone()), *inode)),
            Self::Remove(folder, name) => drop(names.remove(&(*folder, name.clone()))),
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }

    /// Whether a sync of this inode has to keep the change.
    fn concerns(&self, inode: Inode, is_folder: bool, names: &Names) -> bool {
        match self {
            Self::Add(folder, _, added) => (is_folder && *folder == inode) || *added == inode,
            Self::Remove(folder, _) => is_folder && *folder == inode,
            Self::Rename(from, to) => {
                (is_folder && (from.0 == inode || to.0 == inode)) || names.get(to) == Some(&inode)
            }
        }
    }
}

impl DataChange {
    fn apply(&self, data: &mut Vec<u8>) {
        match self {
            Self::Write(offset, bytes) => {
                let end = offset + bytes.len();
                if data.len() < end {
                    data.resize(end, 0);
                }
                data[*offset..end].copy_from_slice(bytes);
            }
            Self::SetLength(length) => data.resize(*length, 0),
        }
    }

    /// Applies some of the sectors, as they lie on the disk.
    fn apply_sectors(&self, data: &mut Vec<u8>, mut survives: impl FnMut() -> bool) {
        let Self::Write(offset, bytes) = self else {
            if survives() {
                self.apply(data);
            }
            return;
        };
        let mut from = 0;
        while from < bytes.len() {
            let to = bytes.len().min(from + SECTOR - (offset + from) % SECTOR);
            if survives() {
                Self::Write(offset + from, bytes[from..to].to_vec()).apply(data);
            }
            from = to;
        }
    }
}

impl Node {
    fn lose_power(&mut self, survival: Survival, rng: &mut Rng) {
        let pending = std::mem::take(&mut self.pending);
        let first = rng.usize(..=pending.len());
        for (number, change) in pending.iter().enumerate() {
            match survival {
                Survival::First if number < first => change.apply(&mut self.durable),
                // The last write may be torn.
                Survival::First if number == first => change.apply_sectors(&mut self.durable, || rng.bool()),
                Survival::Changes(percentage) if rng.u8(..100) < percentage => change.apply(&mut self.durable),
                Survival::Sectors(percentage) => {
                    change.apply_sectors(&mut self.durable, || rng.u8(..100) < percentage);
                }
                Survival::Nothing | Survival::First | Survival::Changes(_) => {}
            }
        }
        self.data.clone_from(&self.durable);
    }
}

#[test]
fn a_cut_forgets_what_was_not_synced() {
    let mut rng = Rng::with_seed(1);
    let mut disk = Disk::new();
    let kept = disk.create(ROOT, OsStr::new("kept"), false).unwrap();
    disk.write(kept, 0, b"synced").unwrap();
    disk.sync(kept).unwrap();
    for _ in 0..100 {
        let name = OsStr::new("forgotten");
        if let Err(Refusal::Missing) = disk.find(ROOT, name) {
            disk.create(ROOT, name, false).unwrap();
        }
        disk.write(kept, 6, &[b'x'; 2 * SECTOR]).unwrap();
        disk.cut_in(0);
        assert_eq!(disk.sync(kept), Err(Refusal::Broken));
        assert_eq!(disk.write(kept, 0, b"late"), Err(Refusal::Broken));
        disk.restore(&mut rng);
        let data = &disk.node(kept).unwrap().data;
        assert_eq!((&data[..6], data.len() <= 6 + 2 * SECTOR), (&b"synced"[..], true));
        disk.set_length(kept, 6).unwrap();
        disk.sync(kept).unwrap();
    }
    assert_eq!(disk.node(kept).unwrap().durable, b"synced");
}

#[test]
fn names_become_durable_in_their_order() {
    let mut disk = Disk::new();
    let folder = disk.create(ROOT, OsStr::new("folder"), true).unwrap();
    let file = disk.create(folder, OsStr::new("half"), false).unwrap();
    disk.rename((folder, OsStr::new("half")), (folder, OsStr::new("whole"))).unwrap();
    disk.sync(file).unwrap();
    disk.remove(folder, OsStr::new("whole")).unwrap();
    disk.cut_now();
    // With this seed, none of the pending changes of names survives.
    let mut rng = (0..1_000).map(Rng::with_seed).find(|rng| disk_survivors(rng.clone()) == 0).unwrap();
    disk.restore(&mut rng);
    assert_eq!(disk.find(folder, OsStr::new("whole")), Ok(file));
}

#[cfg(test)]
fn disk_survivors(mut rng: Rng) -> usize {
    if rng.u8(..4) > 1 {
        return 1;
    }
    rng.usize(..=1)
}
