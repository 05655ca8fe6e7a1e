//! A real PostgreSQL beside a test (`tests/setup/postgres`), and a real `PgBouncer` before it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::programs::{Program, free_port};

/// A server that ends with the test. It has a database `serinus`.
pub(crate) struct Postgres {
    folder: PathBuf,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    _script: Child,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With settings (`NAME=VALUE`) other than those of tests, for which nothing lasts and nothing is vacuumed.
    pub(crate) fn start_with(settings: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/setup/postgres");
        let settings = settings.iter().flat_map(|setting| ["-c", setting]);
        let mut child =
            Command::new(script).args(settings).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        let commands = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut server = Self { folder: PathBuf::new(), commands, answers, _script: child };
        server.folder = server.answer().into();
        server.ask("postgres", "CREATE DATABASE serinus");
        server
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it can be read");
        assert!(!line.is_empty(), "PostgreSQL (Debian's package `postgresql`) does not start");
        line.trim_end().to_owned()
    }

    /// `kill`, `start`, `freeze` or `thaw`; waits until that is done.
    pub(crate) fn command(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("the script runs");
        self.answer();
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

    /// What a statement says, as text.
    pub(crate) fn ask(&self, database: &str, sql: &str) -> String {
        let output = Command::new("psql")
            .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", sql, "-h"])
            .arg(&self.folder)
            .output()
            .expect("psql (Debian's package `postgresql-client`) can be started");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
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
    _folder: tempfile::TempDir,
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
