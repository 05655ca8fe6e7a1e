//! A real PostgreSQL for the tests: one server a test process, and databases of their own in it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// Starts a server in a folder that is gone with it. It ends when its standard input does, so with this process however that ends.
const SERVER: &str = r#"
set -eu
export PATH="$PATH:$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)"
folder=$(mktemp -d); mkdir "$folder/data"; as=
if [ "$(id -u)" = 0 ]; then chown -R postgres "$folder"; as="setpriv --reuid postgres --regid postgres --clear-groups"; fi
$as initdb -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$folder/initdb.log" 2>&1
$as postgres -D "$folder/data" -k "$folder" -c listen_addresses= -c max_connections=300 -c fsync=off -c synchronous_commit=off \
    -c full_page_writes=off -c autovacuum=off >"$folder/server.log" 2>&1 &
server=$!
trap 'kill -QUIT $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$folder"' EXIT
until psql -qX -h "$folder" -U postgres -c 'SELECT 1' >/dev/null 2>&1; do
    kill -0 $server || { cat "$folder"/*.log >&2; exit 1; }
    sleep 0.05
done
echo "$folder"
cat >/dev/null
"#;

struct Server {
    folder: PathBuf,
    /// Ends with its input, which is open for as long as this process is there.
    _shell: Child,
}

static SERVERS: OnceLock<Server> = OnceLock::new();

fn server() -> &'static Server {
    SERVERS.get_or_init(|| {
        let mut shell =
            Command::new("sh").args(["-c", SERVER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
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
