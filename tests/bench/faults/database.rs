//! A real PostgreSQL that listens on a network and wants a password, with all that can become of it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::network;

/// Where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Ample,
    /// One that can be filled.
    Small,
}

/// The server, and the one that stands by, for as long as this lives.
pub(crate) struct Database {
    folder: PathBuf,
    /// The small disk, if it has one.
    disk: Option<tempfile::TempDir>,
    /// The port of the one that counts now.
    port: u16,
    /// Gone at its end.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    script: Child,
}

impl Database {
    pub(crate) fn start(disk: Disk) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/setup/postgres");
        let mut command = Command::new(script);
        command.env("POSTGRES_NETWORK", "10.0.0.0/8").stdin(Stdio::piped()).stdout(Stdio::piped());
        let disk = (disk == Disk::Small).then(|| {
            let folder = tempfile::tempdir().unwrap();
            network::run(&format!("mount -t tmpfs -o size=256m tmpfs {}", folder.path().display()));
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
            command.env("TMPDIR", folder.path());
            folder
        });
        let mut script = command.spawn().expect("a shell");
        let commands = script.stdin.take();
        let answers = BufReader::new(script.stdout.take().expect("it is piped"));
        let mut database = Self { folder: PathBuf::new(), disk, port: 5432, commands, answers, script };
        database.folder = database.answer().into();
        database.ask("postgres", &["CREATE ROLE serinus LOGIN PASSWORD 'right'", "CREATE DATABASE serinus OWNER serinus"]);
        database
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it can be read");
        assert!(!line.is_empty(), "PostgreSQL (Debian's package `postgresql`) does not start");
        line.trim_end().to_owned()
    }

    /// A command of `tests/setup/postgres`; waits until it is done.
    pub(crate) fn command(&mut self, command: &str) {
        writeln!(self.commands.as_ref().expect("it lives"), "{command}").expect("the script runs");
        self.answer();
        if command == "promote" {
            self.port = 5433;
        }
    }

    /// Where it listens on this machine.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// What statements say, as text; or what is wrong.
    pub(crate) fn try_ask(&self, database: &str, statements: &[&str]) -> Result<String, String> {
        let mut command = Command::new("psql");
        command.args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-p", &self.port.to_string(), "-h"]);
        command.arg(&self.folder);
        for statement in statements {
            command.args(["-c", statement]);
        }
        let output = command.output().expect("psql (Debian's package `postgresql-client`) can be started");
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// The same where nothing may be wrong.
    #[track_caller]
    pub(crate) fn ask(&self, database: &str, statements: &[&str]) -> String {
        self.try_ask(database, statements).unwrap_or_else(|error| panic!("{statements:?}: {error}"))
    }

    /// Has a setting of the server, for connections that are open, too.
    pub(crate) fn set(&self, setting: &str) {
        self.ask("postgres", &[&format!("ALTER SYSTEM SET {setting}"), "SELECT pg_reload_conf()"]);
    }

    /// Gives the services' user another password, and ends its connections.
    pub(crate) fn set_password(&self, password: &str) {
        let ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'serinus'";
        self.ask("postgres", &[&format!("ALTER ROLE serinus PASSWORD '{password}'"), ends]);
    }

    /// Fills its disk to the last byte.
    pub(crate) fn fill(&self) {
        let mut filler = std::fs::File::create(self.filler()).unwrap();
        for size in [64 << 10, 4 << 10, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Makes room, and starts it again if it did not live through that.
    pub(crate) fn make_room(&mut self) {
        std::fs::remove_file(self.filler()).unwrap();
        if self.try_ask("postgres", &["SELECT 1"]).is_err() {
            self.command("kill");
            self.command("start");
        }
    }

    fn filler(&self) -> PathBuf {
        self.disk.as_ref().expect("its disk is small").path().join("filler")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // It ends with its input, and what it had must be gone before the disk is.
        drop(self.commands.take());
        let _ = self.script.wait();
        if let Some(disk) = &self.disk {
            let _ = Command::new("umount").arg(disk.path()).status();
        }
    }
}
