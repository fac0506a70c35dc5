//! Tests with a small disk that is filled and emptied again and again. Dead data must never keep the server from
//! writing, and the server must not take the space that it is told to leave free.
//!
//! The disk is real: a file system in a file, or in memory if there are no loop devices. Mounting it needs root.

use crate::common::{LONG, Server, binary, eventually, run as common_run};
use crate::{say, seed, setting};
use fastrand::Rng;
use sessiond_client::proto::{CreateSessionRequest, DeleteSessionRequest, GetSessionRequest};
use sessiond_client::{Client, Error, Health};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::JoinSet;

const MIB: u64 = 1 << 20;

/// The reserve that stays free, in MiB, and how far below it the free space may appear, because the file system's own
/// data changes, too.
const RESERVE: u64 = 16;
const TOLERANCE: u64 = 1;

/// The number of concurrent calls.
const AT_ONCE: usize = 32;

/// How soon a server with dead data to reclaim must write again. It takes a few seconds on an idle machine.
const WRITES_AGAIN_WITHIN: Duration = Duration::from_secs(30);

/// A file system of the test's own. Dropping it unmounts it.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts one of so many MiB, or says why it can't.
    fn mount(mib: u64) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let disk = Self { folder };
        std::fs::create_dir(disk.path()).map_err(|error| error.to_string())?;
        disk.mount_image(mib).or_else(|image| {
            let options = format!("size={mib}m");
            let tmpfs = run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(disk.path()));
            tmpfs.map_err(|memory| format!("no disk can be mounted ({image}; {memory})"))
        })?;
        Ok(disk)
    }

    fn mount_image(&self, mib: u64) -> Result<(), String> {
        let image = self.folder.path().join("image");
        File::create(&image).and_then(|file| file.set_len(mib * MIB)).map_err(|error| error.to_string())?;
        run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image))?;
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(self.path()))
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn free_bytes(&self) -> u64 {
        free_bytes(&self.path())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A server that was just killed may still hold the mount. It can be removed once the server is gone.
        run(Command::new("umount").arg("-l").arg(self.path())).ok();
    }
}

fn free_bytes(path: &Path) -> u64 {
    let stat = rustix::fs::statvfs(path).unwrap();
    stat.f_bavail * stat.f_frsize
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(Output { status, .. }) if status.success() => Ok(()),
        Ok(Output { stderr, .. }) => Err(String::from_utf8_lossy(&stderr).trim().to_owned()),
        Err(error) => Err(format!("{}: {error}", command.get_program().display())),
    }
}

/// Mounts a disk, or says why the test is skipped.
fn mount(test: &str, mib: u64) -> Option<SmallDisk> {
    match SmallDisk::mount(mib) {
        Ok(disk) => Some(disk),
        Err(reason) => {
            say(&format!("{test}: SKIPPED, {reason}"));
            None
        }
    }
}

/// Notes the least free space so far.
struct Gauge {
    least: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Gauge {
    fn watch(disk: &SmallDisk) -> Self {
        let (least, stop) = (Arc::new(AtomicU64::new(u64::MAX)), Arc::new(AtomicBool::new(false)));
        let (path, noted, stopped) = (disk.path(), Arc::clone(&least), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                noted.fetch_min(free_bytes(&path), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(5));
            }
        });
        Self { least, stop, thread: Some(thread) }
    }

    fn least(&self) -> u64 {
        self.least.load(Ordering::Relaxed)
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

/// Creates sessions of this many bytes until the disk is full. Returns their IDs.
async fn fill(client: &Client, bytes: usize, rng: &mut Rng) -> Vec<String> {
    let mut tasks = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (client, mut rng) = (client.clone(), rng.fork());
        tasks.spawn(async move {
            let mut made = Vec::new();
            loop {
                let value: Vec<u8> = (0..bytes).map(|_| rng.u8(..)).collect();
                match client.create(CreateSessionRequest::new().attribute("value", value)).await {
                    Ok(created) => made.push(created.session_id),
                    Err(Error::StorageFull { .. }) => return made,
                    Err(error) => panic!("{error:?} after {} sessions", made.len()),
                }
            }
        });
    }
    tasks.join_all().await.concat()
}

async fn delete(client: &Client, ids: Vec<String>) {
    let mut tasks = JoinSet::new();
    for part in ids.chunks(ids.len().div_ceil(AT_ONCE).max(1)) {
        let (client, part) = (client.clone(), part.to_vec());
        tasks.spawn(async move {
            for id in part {
                assert!(client.delete(DeleteSessionRequest::by_id(id)).await.unwrap());
            }
        });
    }
    tasks.join_all().await;
}

/// Waits until the server has written nothing for longer than it waits before it gives space back.
async fn until_it_rests(server: &Server) {
    const LOOKS: u32 = 150;
    let written = || {
        let io = std::fs::read_to_string(format!("/proc/{}/io", server.pid())).unwrap();
        // What goes to disks: threads that wake each other up write, too.
        io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).map(str::to_owned)
    };
    let (mut last, mut unchanged) = (written(), 0);
    eventually("the server writes nothing more", async || {
        let before = std::mem::replace(&mut last, written());
        unchanged = if last == before { unchanged + 1 } else { 0 };
        unchanged >= LOOKS
    })
    .await;
}

async fn until_it_writes(server: &Server) -> Duration {
    let began = Instant::now();
    let client = server.client();
    eventually("the server takes writes again", async || {
        client.health("sessiond.writes").await.unwrap() == Health::Serving
    })
    .await;
    began.elapsed()
}

/// Fills and empties the disk this many times. Sessions go in the order of their creation, in any order, or only some
/// of them.
async fn fill_again_and_again(name: &str, disk_mib: u64, bytes: usize, rounds: u64) {
    let Some(disk) = mount(name, disk_mib) else { return };
    let mut rng = Rng::with_seed(seed(name));
    let data = disk.path().join("data");
    let reserve = format!("{RESERVE}MiB");
    let mut server = Server::start_with(&["--data-dir", data.to_str().unwrap(), "--min-free-space", &reserve]);
    let mut kept: Vec<String> = Vec::new();
    let mut first = 0;
    for round in 0..rounds {
        let gauge = Gauge::watch(&disk);
        let client = server.client();
        let mut made = fill(&client, bytes, &mut rng).await;
        let (count, at_full) = (made.len(), gauge.least());
        if round == 0 {
            first = count;
        }
        made.append(&mut kept);
        match round % 3 {
            0 => {}
            1 => rng.shuffle(&mut made),
            _ => {
                rng.shuffle(&mut made);
                kept = made.split_off(made.len() / 2);
            }
        }
        let dead = made.first().cloned();
        delete(&client, made).await;
        let again = until_it_writes(&server).await;
        // An empty folder takes little space, even while nothing changes.
        let has_shrunk = async || !kept.is_empty() || disk.free_bytes() >= disk_mib * MIB / 2;
        eventually("the space is given back", has_shrunk).await;
        say(&format!(
            "{name}: round {round}: made {count}, free at least {:.1} MiB when full, {:.1} MiB in all, {:.1} MiB at the end; \
             writes again after {:.1} s, {} kept",
            mib(at_full),
            mib(gauge.least()),
            mib(disk.free_bytes()),
            again.as_secs_f64(),
            kept.len(),
        ));
        assert!(again < WRITES_AGAIN_WITHIN, "{again:?}");
        assert!(gauge.least() >= (RESERVE - TOLERANCE) * MIB, "{:.1} MiB free", mib(gauge.least()));
        // As much fits as at first, except for what is kept and what is not cleaned up yet.
        assert!(count >= first / 4, "{count} of {first}");
        if round % 3 == 2 {
            server.kill();
            server.restart();
            // Dead space may have to be given back first, as before.
            let again = until_it_writes(&server).await;
            assert!(again < WRITES_AGAIN_WITHIN, "{again:?} after a restart");
        }
        let client = server.client();
        for id in kept.iter().step_by(kept.len() / 50 + 1) {
            let read = client.get(GetSessionRequest::new(id).peek()).await.unwrap();
            assert_eq!(read.session.attributes["value"].as_bytes().map(bytes::Bytes::len), Some(bytes));
        }
        if let Some(dead) = dead {
            assert_eq!(client.get(dead).await.map(drop), Err(Error::SessionNotFound));
        }
    }
    server.stop();
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// Takes all free space of the disk, down to the last block.
fn take_the_rest(disk: &SmallDisk) -> PathBuf {
    let path = disk.path().join("taken");
    let mut file = File::create(&path).unwrap();
    for block in [MIB, 4_096, 512] {
        let zeros = vec![0; usize::try_from(block).unwrap()];
        while file.write_all(&zeros).is_ok() {}
    }
    file.sync_all().ok();
    path
}

/// Fills the disk under a server, down to the last block, and waits until the server has noticed. A disk that is full in
/// the middle of a write ends the server; then it is started again, and the disk filled again.
async fn fill_under(server: &mut Server, disk: &SmallDisk) -> PathBuf {
    for _ in 0..20 {
        until_it_rests(server).await;
        let taken = take_the_rest(disk);
        let client = server.client();
        let mut runs = true;
        eventually("the server takes no writes, or has ended", async || {
            let health = client.health("sessiond.writes").await;
            runs = health.is_ok();
            health != Ok(Health::Serving)
        })
        .await;
        if runs {
            return taken;
        }
        assert_eq!(server.wait(LONG).code(), Some(1), "{}", server.log());
        std::fs::remove_file(taken).unwrap();
        server.restart();
    }
    panic!("the server wrote each time that the disk was filled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_can_not_start_for_a_full_disk_says_so_and_loses_nothing() {
    let name = "starting on a full disk";
    let Some(disk) = mount(name, 96) else { return };
    let data = disk.path().join("data");
    let mut server = Server::start_with(&["--data-dir", data.to_str().unwrap(), "--min-free-space", "16MiB"]);
    let created = server.client().create(CreateSessionRequest::new().attribute("n", 1)).await.unwrap();
    let mut doomed = Vec::new();
    for _ in 0..200 {
        doomed.push(server.client().create(CreateSessionRequest::new()).await.unwrap().session_id);
    }
    let taken = fill_under(&mut server, &disk).await;
    let client = server.client();
    client.get(&created.session_id).await.unwrap();
    // There is not a single free block.
    let dead = doomed[0].clone();
    delete(&client, doomed).await;
    server.kill();
    // The same holds for a folder that can't be created for lack of space.
    for folder in [data.clone(), disk.path().join("another")] {
        let ended = common_run(binary().args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&folder));
        assert!(matches!(ended.code, Some(1 | 2)), "{ended:?}");
        let line = ended.stderr.lines().last().unwrap();
        assert!(line.contains("is full") && line.contains("free some space") && !line.contains("Os {"), "{line}");
    }
    std::fs::remove_file(taken).unwrap();
    server.restart();
    server.client().get(&created.session_id).await.unwrap();
    assert_eq!(server.client().get(dead).await.map(drop), Err(Error::SessionNotFound));
    server.client().create(CreateSessionRequest::new()).await.unwrap();
    server.stop();
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_full_of_small_sessions_can_be_filled_again() {
    let (disk, rounds) = (setting("SESSIOND_DISK_MIB", 96), setting("SESSIOND_FILLINGS", 3));
    fill_again_and_again("fillings", disk, 2_000, rounds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_full_of_large_sessions_can_be_filled_again() {
    let (disk, rounds) = (setting("SESSIOND_DISK_MIB", 96), setting("SESSIOND_FILLINGS", 3));
    fill_again_and_again("fillings, large sessions", disk, 180_000, rounds).await;
}
