//! Configurations of any size, written out as a user would have them: a service's file and one file a probe.

use std::path::{Path, PathBuf};

/// How many of what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Probe files.
    pub probes: usize,
    /// Cells of each.
    pub cells: usize,
    /// Further probes whose runs always fail, and cells of each.
    pub broken: (usize, usize),
}

/// Writes probes that ask the target every ten seconds into a new directory; returns the service's file. Pages go to `pager`.
pub(crate) fn write(directory: &Path, shape: Shape, target: &str, pager: &str) -> PathBuf {
    let probes = directory.join("probes");
    std::fs::create_dir_all(&probes).expect("the directory can be written to");
    let well = (0..shape.probes).map(|probe| (format!("bench-{probe}"), 200, shape.cells));
    let broken = (0..shape.broken.0).map(|probe| (format!("broken-{probe}"), 599, shape.broken.1));
    for (name, status, cells) in well.chain(broken) {
        let cells = (0..cells).map(|cell| cell.to_string()).collect::<Vec<_>>().join(", ");
        let text = format!(
            r#"name     = "{name}"
summary  = "The target says that it is well"
owner    = "bench"
runbook  = "https://runbooks.example.com/bench"
every    = "10s"
deadline = "5s"

[matrix]
shard = [{cells}]

[[step]]
name     = "ask"
http.get = "{{{{ target }}}}/"
expect   = ["status == {status}"]
"#
        );
        std::fs::write(probes.join(format!("{name}.toml")), text).expect("the directory can be written to");
    }
    let store = directory.join("serinus.db");
    let service = format!(
        r#"region = "home"
probes = ["probes/*.toml"]

[vars]
target = "{target}"

[listen]
address = "127.0.0.1:0"

[store]
url = "sqlite:{}"

[traces]
endpoint = "{target}/v1/traces"
queue = 100000

[notify.webhook]
url = "{pager}/pages"
"#,
        store.display()
    );
    let file = directory.join("serinus.toml");
    std::fs::write(&file, service).expect("the directory can be written to");
    file
}
