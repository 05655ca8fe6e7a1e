//! What a service under test lives in: its folder, what it probes, and who is paged.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use serde_json::Value;
use serinus::sandbox::{Sandbox, SandboxConfig};
use tokio::runtime::Runtime;

use crate::shipped::hastened;

use super::prober::{PATIENCE, get};
use super::receiver::Receiver;
use super::target::Target;

/// Everything around a service.
pub(crate) struct World {
    pub(crate) folder: PathBuf,
    pub(crate) target: Target,
    pub(crate) sandbox: Sandbox,
    pub(crate) receiver: Receiver,
    /// Told of each page that arrives, before it is answered.
    pub(crate) paged: mpsc::Receiver<()>,
    /// Told of each cleanup that arrives, before it is done.
    pub(crate) cleaning: mpsc::Receiver<()>,
    /// Whether the folder may go; one of a failed test stays to be looked at.
    well: Arc<Mutex<bool>>,
    _runtime: Runtime,
}

impl World {
    /// Cheap canaries in two regions every second, and, if wanted, the shipped probes on a sandbox.
    pub(crate) fn new(seed: u64, cells: usize, shipped: bool) -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let ((tell_paged, paged), (tell_cleaning, cleaning)) = (mpsc::channel(), mpsc::channel());
        let receiver = Receiver::start(seed, tell_paged);
        let target = runtime.block_on(Target::start(tell_cleaning));
        let config = SandboxConfig { speed: 60.0, seed, ..SandboxConfig::default() };
        let sandbox = runtime.block_on(Sandbox::start(config)).unwrap();
        let world = Self { folder, target, sandbox, receiver, paged, cleaning, well: Arc::default(), _runtime: runtime };
        world.write(cells, shipped);
        world
    }

    fn write(&self, cells: usize, shipped: bool) {
        let probes = self.folder.join("probes");
        fs::create_dir(&probes).unwrap();
        for name in ["load-a", "load-b", "load-c"] {
            fs::write(probes.join(format!("{name}.toml")), load(name, cells)).unwrap();
        }
        fs::write(probes.join("maker.toml"), MAKER).unwrap();
        if shipped {
            for (file, every) in [("premium_registration", "4s"), ("playlist_sync", "4s"), ("segment_copy", "3s")] {
                let text = fs::read_to_string(format!("{}/probes/{file}.toml", env!("CARGO_MANIFEST_DIR"))).unwrap();
                fs::write(probes.join(format!("{file}.toml")), hastened(&text, every, "12s", "1500ms")).unwrap();
            }
        }
        let text = SERVICE
            .replace("TARGET", &self.target.address.to_string())
            .replace("SANDBOX", &self.sandbox.address().to_string())
            .replace("RECEIVER", &self.receiver.address.to_string());
        fs::write(self.folder.join("serinus.toml"), text).unwrap();
    }

    /// Entities of the sandbox that come and go, by kind. Jobs that made segments stay for good, so segments are listed.
    pub(crate) fn entities(&self) -> Value {
        let address = self.sandbox.address().to_string();
        let mut entities = get(&address, "/healthz").expect("the sandbox answers")["entities"].clone();
        let segments = get(&address, "/v1/segments").expect("the sandbox answers");
        entities["segments"] = segments["segments"].as_array().expect("it is a list").len().into();
        entities
    }

    /// The store's path.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.join("serinus.db")
    }

    /// The folder may go.
    pub(crate) fn is_well(&self) {
        *self.well.lock().unwrap() = true;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if *self.well.lock().unwrap() {
            // What is left of it is in the temporary folder, which the system empties.
            let _ = fs::remove_dir_all(&self.folder);
        } else {
            eprintln!("its folder is kept: {}", self.folder.display());
        }
    }
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Copies the store as it lies there, which is what a crash left, and opens the copy.
pub(crate) fn copy_of_store(store: &Path) -> (tempfile::TempDir, rusqlite::Connection) {
    let folder = tempfile::tempdir().unwrap();
    for end in ["", "-wal"] {
        let from = format!("{}{end}", store.display());
        if Path::new(&from).exists() {
            fs::copy(&from, folder.path().join(format!("copy.db{end}"))).unwrap();
        }
    }
    let connection = rusqlite::Connection::open(folder.path().join("copy.db")).unwrap();
    (folder, connection)
}

fn load(name: &str, cells: usize) -> String {
    let cells: Vec<String> = (0..cells).map(|cell| format!("c{cell}")).collect();
    format!(
        r#"name = "{name}"
owner = "nobody"
runbook = "https://runbooks.example.com/load"
every = "1s"
deadline = "10s"
[matrix]
shard = {cells:?}
[[step]]
name = "ask"
http.get = "{{{{ target }}}}/{name}/{{{{ region }}}}/{{{{ cell.shard }}}}"
expect = ["status == 200"]
"#
    )
}

const MAKER: &str = r#"name = "maker"
owner = "nobody"
runbook = "https://runbooks.example.com/maker"
every = "1s"
deadline = "10s"
[matrix]
shard = ["c0", "c1", "c2", "c3"]
[[step]]
name = "make"
http.put = "{{ target }}/things/{{ run.id }}"
expect = ["status == 201"]
  [[step.cleanup]]
  name = "remove"
  http.delete = "{{ target }}/things/{{ run.id }}"
  expect = ["status in [204, 404]"]
[[step]]
name = "it is there"
http.get = "{{ target }}/things/{{ run.id }}"
expect = ["status == 200"]
"#;

const SERVICE: &str = r#"regions = ["eu", "us"]
probes = ["probes/*.toml"]
[vars]
api = "http://SANDBOX"
target = "http://TARGET"
[secrets]
canary_password = { env = "CANARY_PASSWORD" }
api = { env = "API_TOKEN" }
[listen]
address = "127.0.0.1:0"
token = "api"
[[notify.webhook]]
name = "pager"
url = "http://RECEIVER/pager"
timeout = "3s"
[[notify.webhook]]
name = "chat"
url = "http://RECEIVER/chat"
timeout = "3s"
[alerting]
# It opens as often as the faults come, so it would be held open as flapping.
flapping = { opens = 1000, within = "1h", hold = "1m" }
[limits]
shutdown_grace = "10s"
cleanup = "10s"
"#;
