//! A server that is restarted with the socket that it had.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::server::BINARY;
use tempfile::TempDir;

/// A server that is restarted as systemd restarts it with a socket of its own: no connection is refused meanwhile. Dropping it ends the
/// server and removes the folder.
#[derive(Debug)]
pub struct Restartable {
    supervisor: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    address: String,
    _folder: TempDir,
}

impl Restartable {
    /// A server on a free port, with these flags.
    ///
    /// # Panics
    /// If it does not start, or there is no Python.
    #[must_use]
    pub fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/restarts");
        let mut command = Command::new(script);
        command.arg(folder.path()).args(flags).env("SESSIOND_BIN", &*BINARY);
        let mut supervisor = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (supervisor.stdin.take(), supervisor.stdout.take().unwrap());
        let mut output = BufReader::new(output).lines();
        let address = output.next().expect("the server says where it listens").unwrap();
        Self { supervisor, input, output, address, _folder: folder }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends it in order and starts it again. It blocks the thread.
    ///
    /// # Panics
    /// If it does not end in order or start again.
    pub fn restart(&mut self) {
        writeln!(self.input.as_mut().unwrap()).unwrap();
        self.output.next().expect("the server serves again").unwrap();
    }
}

impl Drop for Restartable {
    fn drop(&mut self) {
        // At the end of its input the supervisor ends the server.
        drop(self.input.take());
        let _ = self.supervisor.wait();
    }
}
