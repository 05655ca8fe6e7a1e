//! A real PostgreSQL beside a test (`tests/setup/postgres`), and a real `PgBouncer` before it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use crate::programs::{Program, free_port};

/// How a server differs from that of most tests.
#[derive(Default)]
pub(crate) struct PostgresSetup<'a> {
    /// Settings (`NAME=VALUE`) other than those of tests, for which nothing lasts and nothing is vacuumed.
    pub(crate) settings: &'a [&'a str],
    /// It listens on all addresses as well, for users of this network.
    pub(crate) network: Option<&'a str>,
    /// It has a disk for itself, which can be filled. Mounting it needs root.
    pub(crate) small_disk: bool,
}

/// A server that ends with the test. It has a database `serinus`.
pub(crate) struct Postgres {
    folder: PathBuf,
    /// Of the one that counts now.
    port: u16,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    script: Child,
    disk: Option<TempDir>,
}

/// Mounts a disk where only what this becomes sees it, and becomes that.
const ON_SMALL_DISK: &str = "mount -t tmpfs -o size=160m,mode=755 tmpfs \"$TMPDIR\" && exec \"$0\" \"$@\"";

impl Postgres {
    pub(crate) fn start() -> Self {
        Self::set_up(&PostgresSetup::default())
    }

    pub(crate) fn set_up(setup: &PostgresSetup<'_>) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/setup/postgres");
        let disk = setup.small_disk.then(|| tempfile::tempdir().expect("there is room for temporary files"));
        let mut command = match &disk {
            None => Command::new(script),
            Some(disk) => {
                let mut command = Command::new("unshare");
                command.args(["--mount", "sh", "-c", ON_SMALL_DISK, script]).env("TMPDIR", disk.path());
                command
            }
        };
        command.args(setup.settings.iter().flat_map(|setting| ["-c", setting]));
        command.envs(setup.network.map(|network| ("POSTGRES_NETWORK", network)));
        let mut script = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        let commands = script.stdin.take().expect("it is piped");
        let answers = BufReader::new(script.stdout.take().expect("it is piped"));
        let mut server = Self { folder: PathBuf::new(), port: 5432, commands, answers, script, disk };
        let folder = server.answer();
        server.folder = server.seen_from_here(Path::new(&folder));
        server.ask("postgres", "CREATE DATABASE serinus");
        server
    }

    /// A path of the server's. What is on its own disk is found by way of a process that sees that.
    fn seen_from_here(&self, path: &Path) -> PathBuf {
        match &self.disk {
            None => path.to_owned(),
            Some(_) => PathBuf::from(format!("/proc/{}/root{}", self.script.id(), path.display())),
        }
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it can be read");
        assert!(!line.is_empty(), "PostgreSQL (Debian's package `postgresql`) does not start");
        line.trim_end().to_owned()
    }

    /// A command of `tests/setup/postgres`; waits until it is done.
    pub(crate) fn command(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("the script runs");
        self.answer();
        if command == "promote" {
            self.port = 5433;
        }
    }

    /// Fills its disk to the last byte.
    pub(crate) fn fill(&self) {
        let mut filler = fs::File::create(self.filler()).expect("its disk is there");
        for size in [64 << 10, 4 << 10, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Makes room, and starts it again if it did not live through that.
    pub(crate) fn make_room(&mut self) {
        fs::remove_file(self.filler()).expect("its disk was filled");
        if self.try_ask("postgres", "SELECT 1").is_err() {
            self.command("kill");
            self.command("start");
        }
    }

    fn filler(&self) -> PathBuf {
        self.seen_from_here(&self.disk.as_ref().expect("it has a small disk").path().join("filler"))
    }

    /// Has a setting of the server, for connections that are open, too.
    pub(crate) fn set(&self, setting: &str) {
        self.ask("postgres", &format!("ALTER SYSTEM SET {setting}"));
        self.ask("postgres", "SELECT pg_reload_conf()");
    }

    /// Gives the database to a user `serinus`, who needs the password `right`. On this machine it is sent as it is: a program that is not
    /// optimised stands still for half a second while it makes a hash of one.
    pub(crate) fn give_to_user(&self) {
        let file = self.folder.join("data/pg_hba.conf");
        let rules = fs::read_to_string(&file).expect("it has rules");
        fs::write(&file, format!("local all serinus password\n{rules}")).expect("it is our own");
        self.ask("postgres", "SELECT pg_reload_conf()");
        self.ask("postgres", "CREATE ROLE serinus LOGIN PASSWORD 'right'");
        self.ask("postgres", "ALTER DATABASE serinus OWNER TO serinus");
    }

    /// Gives that user another password, and ends its connections.
    pub(crate) fn set_password(&self, password: &str) {
        self.ask("postgres", &format!("ALTER ROLE serinus PASSWORD '{password}'"));
        self.ask("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'serinus'");
    }

    /// The URL of its database, as a value of `store.url`.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@{}/serinus", self.folder.to_string_lossy().replace('/', "%2F"))
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// The same for a role that can log in.
    pub(crate) fn url_of(&self, role: &str) -> String {
        self.url().replace("postgres@", &format!("{role}@"))
    }

    /// All rows of its database, as statements.
    pub(crate) fn dump(&self) -> String {
        let output = Command::new("pg_dump")
            .args(["--data-only", "--inserts", "-U", "postgres", "-d", "serinus", "-h"])
            .arg(&self.folder)
            .output()
            .expect("pg_dump (Debian's package `postgresql-client`) can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("it is UTF-8")
    }

    /// What a statement says, as text; or what is wrong.
    pub(crate) fn try_ask(&self, database: &str, sql: &str) -> Result<String, String> {
        let output = Command::new("psql")
            .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-U", "postgres", "-d", database, "-c", sql])
            .args(["-p", &self.port.to_string(), "-h"])
            .arg(&self.folder)
            .output()
            .expect("psql (Debian's package `postgresql-client`) can be started");
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// The same where nothing may be wrong.
    #[track_caller]
    pub(crate) fn ask(&self, database: &str, sql: &str) -> String {
        self.try_ask(database, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Whether whoever evaluates has taken over what a region told alone, and nothing more of that waits.
    pub(crate) fn has_handed_in(&self) -> bool {
        let taken_over = "SELECT count(*) FROM timeline WHERE what = 'handed_in'";
        let waits = "SELECT (SELECT count(*) FROM facts WHERE key LIKE 'told_alone/%' AND json IS NOT NULL)
            + (SELECT count(*) FROM states WHERE kind = 'handed_in')";
        let has_tables = self.ask("serinus", "SELECT to_regclass('facts') IS NOT NULL") == "t";
        has_tables && self.ask("serinus", taken_over) != "0" && self.ask("serinus", waits) == "0"
    }
}

/// A pooler that gives a connection of the server to each transaction, and fewer than there are clients.
pub(crate) struct Pooler {
    _program: Program,
    _folder: TempDir,
    port: u16,
}

impl Pooler {
    pub(crate) fn start(server: &Postgres) -> Self {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let port = free_port();
        let text = format!(
            "[databases]\nserinus = host={} dbname=serinus user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\nserver_idle_timeout = 2\n",
            server.folder.display()
        );
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, text).expect("the folder can be written to");
        // It refuses to run as root.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("it is our own");
        let mut arguments = vec!["-q".to_owned(), file.display().to_string()];
        if rustix::process::geteuid().is_root() {
            arguments.splice(0..0, ["-u".to_owned(), "postgres".to_owned()]);
        }
        let program = Program::start("/usr/sbin/pgbouncer", &arguments, "pgbouncer");
        Self { _program: program, _folder: folder, port }
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://serinus@127.0.0.1:{}/serinus", self.port)
    }
}
