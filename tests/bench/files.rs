//! Configurations of any size, written out as a user would have them: a service's file and one file a probe.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// How many of what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Probe files.
    pub probes: usize,
    /// Cells of each.
    pub cells: usize,
}

/// Writes probes that ask the target every ten seconds into a new directory; returns the service's file.
pub(crate) fn write(directory: &Path, shape: Shape, target: &str) -> PathBuf {
    let probes = directory.join("probes");
    std::fs::create_dir_all(&probes).expect("the directory can be written to");
    let cells = (0..shape.cells).map(|cell| cell.to_string()).collect::<Vec<_>>().join(", ");
    for probe in 0..shape.probes {
        let text = format!(
            r#"name     = "bench-{probe}"
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
expect   = ["status == 200"]
"#
        );
        std::fs::write(probes.join(format!("{probe}.toml")), text).expect("the directory can be written to");
    }
    let mut service = String::from("region = \"home\"\nprobes = [\"probes/*.toml\"]\nnotify.none = true\n");
    write!(service, "\n[vars]\ntarget = \"{target}\"\n\n[traces]\nendpoint = \"{target}/v1/traces\"\nqueue = 100000\n")
        .expect("a string takes everything");
    let file = directory.join("serinus.toml");
    std::fs::write(&file, service).expect("the directory can be written to");
    file
}
