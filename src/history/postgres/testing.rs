//! A real PostgreSQL for the tests: one server a test process, and databases of their own in it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// Starts a server that ends when its standard input does, so with this process however that ends.
const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/setup/postgres");

struct Server {
    folder: PathBuf,
    /// Ends with its input, which is open for as long as this process is there.
    _shell: Child,
}

static SERVERS: OnceLock<Server> = OnceLock::new();

fn server() -> &'static Server {
    SERVERS.get_or_init(|| {
        let mut shell = Command::new(SERVER).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        let mut folder = String::new();
        BufReader::new(shell.stdout.take().expect("it is piped")).read_line(&mut folder).expect("it says where it is");
        assert!(!folder.is_empty(), "PostgreSQL (Debian's package `postgresql`) does not start");
        Server { folder: folder.trim_end().into(), _shell: shell }
    })
}

/// A database of its own, without tables. It stays until the server ends.
#[derive(Debug)]
pub(in crate::history) struct Database {
    name: String,
}

impl Database {
    pub(in crate::history) fn create() -> Self {
        let name = format!("s{}", ulid::Ulid::generate()).to_lowercase();
        psql("postgres", &format!("CREATE DATABASE {name}"));
        Self { name }
    }

    pub(in crate::history) fn url(&self) -> String {
        let folder = server().folder.to_string_lossy().replace('/', "%2F");
        format!("postgres://postgres@{folder}/{}", self.name)
    }

    /// What a statement says, as text.
    pub(in crate::history) fn ask(&self, sql: &str) -> String {
        psql(&self.name, sql)
    }
}

fn psql(database: &str, sql: &str) -> String {
    let output = Command::new("psql")
        .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", sql, "-h"])
        .arg(&server().folder)
        .output()
        .expect("psql (Debian's package `postgresql-client`) can be started");
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}
