//! The disk as a file system that a process can use, with FUSE.

use crate::disk::{Disk, Faults, Hang, Inode, Node, Refusal};
use fuser::{
    BackgroundSession, BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// The kernel caches nothing: after a cut it must not know more than the disk.
const KEEP: Duration = Duration::ZERO;
const BLOCK: u32 = 4096;

/// The pause between two checks whether the disk still hangs.
const PAUSE: Duration = Duration::from_millis(5);

/// A mounted disk. Dropping it unmounts it.
pub(crate) struct CutFs {
    disk: Arc<Mutex<Disk>>,
    session: Option<BackgroundSession>,
    mountpoint: TempDir,
}

impl CutFs {
    /// Mounts an empty disk; `Err` tells why this machine can't.
    pub(crate) fn mount() -> Result<Self, String> {
        let disk = Arc::new(Mutex::new(Disk::new()));
        let mountpoint = tempfile::tempdir().unwrap();
        let session = fuser::spawn_mount(Face(Arc::clone(&disk)), mountpoint.path(), &fuser::Config::default());
        let session =
            session.map_err(|error| format!("FUSE can't be mounted ({error}); it needs /dev/fuse and fuse3"))?;
        Ok(Self { disk, session: Some(session), mountpoint })
    }

    pub(crate) fn path(&self) -> &Path {
        self.mountpoint.path()
    }

    pub(crate) fn disk(&self) -> MutexGuard<'_, Disk> {
        lock(&self.disk)
    }
}

impl Drop for CutFs {
    fn drop(&mut self) {
        self.disk().faults = Faults::default();
        if let Some(session) = self.session.take() {
            session.umount_and_join().ok();
        }
    }
}

fn lock(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until the hang ends.
fn wait_out(disk: &Mutex<Disk>, hang: Hang) {
    while lock(disk).faults.hang == hang {
        thread::sleep(PAUSE);
    }
}

struct Face(Arc<Mutex<Disk>>);

impl From<Refusal> for Errno {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing => Self::ENOENT,
            Refusal::Broken => Self::EIO,
            Refusal::Full => Self::ENOSPC,
            Refusal::Exists => Self::EEXIST,
            Refusal::NotEmpty => Self::ENOTEMPTY,
        }
    }
}

fn attributes(inode: Inode, node: &Node) -> FileAttr {
    let size = node.data.len() as u64;
    FileAttr {
        ino: INodeNo(inode),
        size,
        blocks: size.div_ceil(512),
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: if node.is_folder { FileType::Directory } else { FileType::RegularFile },
        perm: 0o755,
        nlink: 1,
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        rdev: 0,
        blksize: BLOCK,
        flags: 0,
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl Face {
    /// The disk, once it does not hang. It is asked by one thread, so that with one request all hang.
    fn disk(&self) -> MutexGuard<'_, Disk> {
        wait_out(&self.0, Hang::Everything);
        lock(&self.0)
    }

    fn attributes(&self, inode: Inode) -> Result<FileAttr, Refusal> {
        self.disk().node(inode).map(|node| attributes(inode, node))
    }

    fn make(&self, folder: INodeNo, name: &OsStr, is_folder: bool) -> Result<FileAttr, Refusal> {
        let inode = self.disk().create(folder.0, name, is_folder)?;
        self.attributes(inode)
    }
}

fn answer(done: Result<(), Refusal>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(refusal) => reply.error(refusal.into()),
    }
}

fn answer_entry(entry: Result<FileAttr, Refusal>, reply: ReplyEntry) {
    match entry {
        Ok(found) => reply.entry(&KEEP, &found, Generation(0)),
        Err(refusal) => reply.error(refusal.into()),
    }
}

impl Filesystem for Face {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.disk().find(parent.0, name);
        answer_entry(found.and_then(|inode| self.attributes(inode)), reply);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(ino.0) {
            Ok(found) => reply.attr(&KEEP, &found),
            Err(refusal) => reply.error(refusal.into()),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let done = size.map_or(Ok(()), |size| self.disk().set_length(ino.0, place(size)));
        match done.and_then(|()| self.attributes(ino.0)) {
            Ok(found) => reply.attr(&KEEP, &found),
            Err(refusal) => reply.error(refusal.into()),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        answer_entry(self.make(parent, name, true), reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(self.disk().remove(parent.0, name), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(self.disk().remove(parent.0, name), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        answer(self.disk().rename((parent.0, name), (newparent.0, newname)), reply);
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.disk().node(ino.0) {
            // Every read and write comes here, at once.
            Ok(_) => reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO),
            Err(refusal) => reply.error(refusal.into()),
        }
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, _: i32, reply: ReplyCreate) {
        match self.make(parent, name, false) {
            Ok(made) => reply.created(&KEEP, &made, Generation(0), FileHandle(0), FopenFlags::FOPEN_DIRECT_IO),
            Err(refusal) => reply.error(refusal.into()),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.disk().node(ino.0) {
            Ok(node) => {
                let from = place(offset).min(node.data.len());
                let to = from.saturating_add(size as usize).min(node.data.len());
                reply.data(&node.data[from..to]);
            }
            Err(refusal) => reply.error(refusal.into()),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.disk().write(ino.0, place(offset), data) {
            Ok(()) => reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX)),
            Err(refusal) => reply.error(refusal.into()),
        }
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        if self.disk().faults.hang != Hang::Syncs {
            return answer(self.disk().sync(ino.0), reply);
        }
        let disk = Arc::clone(&self.0);
        // Other requests are answered meanwhile.
        thread::spawn(move || {
            wait_out(&disk, Hang::Syncs);
            answer(lock(&disk).sync(ino.0), reply);
        });
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(self.disk().sync(ino.0), reply);
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let disk = self.disk();
        match disk.list(ino.0, offset) {
            Ok(found) => {
                for (inode, name) in found {
                    let is_folder = disk.node(inode).is_ok_and(|node| node.is_folder);
                    let kind = if is_folder { FileType::Directory } else { FileType::RegularFile };
                    if reply.add(INodeNo(inode), inode, kind, name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(refusal) => reply.error(refusal.into()),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let disk = self.disk();
        match disk.powered() {
            Ok(()) => {
                let free = disk.free_bytes / u64::from(BLOCK);
                reply.statfs(free + 1_000_000, free, free, 1_000_000, 1_000_000, BLOCK, 255, BLOCK);
            }
            Err(refusal) => reply.error(refusal.into()),
        }
    }
}
