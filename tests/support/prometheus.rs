//! Debian's Prometheus beside a test.

use std::path::Path;

use crate::programs::{Program, free_port};

/// Starts it with the file `prometheus.yml` of a folder and these further arguments, and returns where it will listen.
pub(crate) fn start(folder: &Path, more: &[&str]) -> (Program, String) {
    let address = format!("127.0.0.1:{}", free_port());
    let mut arguments = vec![
        format!("--config.file={}", folder.join("prometheus.yml").display()),
        format!("--storage.tsdb.path={}", folder.join("data").display()),
        format!("--web.listen-address={address}"),
        "--log.level=error".to_owned(),
    ];
    arguments.extend(more.iter().map(|&argument| argument.to_owned()));
    (Program::start("prometheus", &arguments, "prometheus"), format!("http://{address}"))
}
