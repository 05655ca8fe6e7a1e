//! A real PostgreSQL for the tests: one server a test process, and databases of their own in it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::schema::StoreRoles;
use super::setup;
use crate::plan::DatabaseUrl;

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

/// Held by whoever makes roles, which are those of the whole server.
static ROLES: Mutex<()> = Mutex::new(());

/// The regions of a database [with roles](Database::with_roles).
const REGIONS: [&str; 3] = ["ap", "eu", "us"];

/// Those who make the tables, run without a region, and read.
const LOGINS: &str = "DO $$ BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'serinus_reader') THEN
        CREATE ROLE serinus_owner LOGIN IN ROLE serinus_migrate;
        CREATE ROLE serinus LOGIN IN ROLE serinus_run;
        CREATE ROLE serinus_stranger LOGIN;
        CREATE ROLE serinus_reader LOGIN IN ROLE serinus_read;
    END IF;
END $$";

/// A database of its own. It stays until the server ends.
#[derive(Debug)]
pub(in crate::history) struct Database {
    name: String,
    has_roles: bool,
}

impl Database {
    /// One without tables, in which one user may do everything.
    pub(in crate::history) fn create() -> Self {
        let name = format!("s{}", ulid::Ulid::generate()).to_lowercase();
        psql("postgres", &format!("CREATE DATABASE {name}"));
        Self { name, has_roles: false }
    }

    /// One with roles and row-level security for the regions `ap`, `eu` and `us`. Its tables are there, made by `serinus_owner`.
    pub(in crate::history) fn with_roles() -> Self {
        let database = Self { has_roles: true, ..Self::create() };
        database.make_roles(&REGIONS);
        let url = DatabaseUrl::parse(&database.url_of("serinus_owner")).expect("it is one");
        let made = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(setup::migrate(&url)).expect("the owner makes the tables");
        });
        made.join().expect("they were made");
        database
    }

    /// Runs what `serinus store roles` prints.
    pub(in crate::history) fn make_roles(&self, regions: &[&str]) {
        let [migrate, run, read] = ["serinus_migrate", "serinus_run", "serinus_read"].map(str::to_owned);
        let roles = StoreRoles { migrate, run, read, regions: regions.iter().map(|region| (*region).to_owned()).collect() };
        let _one_at_a_time = ROLES.lock().unwrap_or_else(PoisonError::into_inner);
        self.ask(&roles.sql().expect("the names are"));
        self.ask(LOGINS);
    }

    /// For who may do everything.
    pub(in crate::history) fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// For a process of a region; for any process, where there are no roles.
    pub(in crate::history) fn url_of_region(&self, region: Option<&str>) -> String {
        match region.filter(|region| self.has_roles && REGIONS.contains(region)) {
            Some(region) => self.url_of(&format!("serinus_run_{region}")),
            None => self.url(),
        }
    }

    /// For who may make tables, and nothing else where there are roles.
    pub(in crate::history) fn url_of_owner(&self) -> String {
        self.url_of(if self.has_roles { "serinus_owner" } else { "postgres" })
    }

    /// For a role.
    pub(in crate::history) fn url_of(&self, role: &str) -> String {
        let folder = server().folder.to_string_lossy().replace('/', "%2F");
        format!("postgres://{role}@{folder}/{}", self.name)
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
