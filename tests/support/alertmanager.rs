//! Debian's Alertmanager beside a test.

use std::path::Path;

use crate::programs::Program;

/// The package, which is the program's name, too.
const PACKAGE: &str = "prometheus-alertmanager";

/// A peer's port and the port of the other one.
pub(crate) type Cluster = (u16, u16);

/// Starts it with the file `alertmanager.yml` of a folder, and its memory in the sub-folder `data`. It listens on loopback and may
/// not be ready yet.
pub(crate) fn start(folder: &Path, data: &str, port: u16, cluster: Option<Cluster>) -> Program {
    let mut arguments = vec![
        format!("--config.file={}", folder.join("alertmanager.yml").display()),
        format!("--storage.path={}", folder.join(data).display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--log.level=error".to_owned(),
    ];
    match cluster {
        None => arguments.push("--cluster.listen-address=".to_owned()),
        Some((own, other)) => arguments.extend([
            format!("--cluster.listen-address=127.0.0.1:{own}"),
            format!("--cluster.peer=127.0.0.1:{other}"),
            "--cluster.peer-timeout=1s".to_owned(),
            "--cluster.settle-timeout=1s".to_owned(),
            "--cluster.gossip-interval=50ms".to_owned(),
            "--cluster.pushpull-interval=500ms".to_owned(),
        ]),
    }
    Program::start(PACKAGE, &arguments, PACKAGE)
}
