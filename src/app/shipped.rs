//! The shipped probes, built into the program, sped up and pointed at a sandbox.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{Loaded, load};
use crate::source::Location;

use super::speed_up::{DemoTimes, speed_up};

/// File names under `probes/` and what stands in them.
const PROBES: [(&str, &str); 3] = [
    ("playlist_sync.toml", include_str!("../../probes/playlist_sync.toml")),
    ("premium_registration.toml", include_str!("../../probes/premium_registration.toml")),
    ("segment_copy.toml", include_str!("../../probes/segment_copy.toml")),
];

/// The interval of probes that are only beside the one that is looked at.
const SELDOM: Duration = Duration::from_secs(20);

/// Every canary is due within seconds, and a run that waits in vain ends before its next tick.
const TIMES: DemoTimes = DemoTimes {
    every: Duration::from_secs(6),
    deadline: Duration::from_secs(15),
    within: Duration::from_secs(4),
    poll: Duration::from_millis(200),
};

/// The variable that the sandbox's password is taken from.
const PASSWORD: &str = "CANARY_PASSWORD";

/// The regions that the demo plays.
pub(super) const REGIONS: [&str; 3] = ["eu", "us", "ap"];

/// Loads the shipped probes for a sandbox: three regions, short intervals, a free port for the metrics. If only one probe is
/// looked at the others have longer intervals, so that they do not take its processor time on a small machine.
///
/// # Errors
/// The files cannot be written to the temporary folder they are loaded from.
pub(super) fn load_shipped(
    sandbox: SocketAddr,
    receiver: SocketAddr,
    password: &str,
    looked_at: Option<&str>,
) -> io::Result<Loaded> {
    let folder = Folder::new()?;
    fs::create_dir(folder.0.join("probes"))?;
    for (file, text) in PROBES {
        let beside = looked_at.is_some_and(|probe| file != format!("{}.toml", probe.replace('-', "_")));
        let times = DemoTimes { every: if beside { SELDOM } else { TIMES.every }, ..TIMES };
        let sped_up = speed_up(text, times).map_err(io::Error::other)?;
        fs::write(folder.0.join("probes").join(file), sped_up)?;
    }
    let config = folder.0.join("serinus.toml");
    fs::write(&config, service(sandbox, receiver))?;
    Ok(load(&config, [(PASSWORD.to_owned(), password.to_owned())]))
}

/// The password for whoever asks for the demo's secrets.
pub(super) fn lookup(password: &str) -> impl Fn(&str) -> Option<String> {
    move |variable| (variable == PASSWORD).then(|| password.to_owned())
}

/// Where a user finds what was loaded from the temporary folder.
pub(super) fn as_shipped(location: &Location) -> Location {
    let name = location.path.file_name().map(PathBuf::from).unwrap_or_default();
    Location { path: Path::new("probes").join(name).into(), ..*location }
}

fn service(sandbox: SocketAddr, receiver: SocketAddr) -> String {
    format!(
        r#"regions = {REGIONS:?}
probes = ["probes/*.toml"]
[vars]
api = "http://{sandbox}"
[secrets]
canary_password = {{ env = "{PASSWORD}" }}
[listen]
address = "127.0.0.1:0"
[notify.webhook]
name = "pager"
url = "http://{receiver}/"
[limits]
shutdown_grace = "1s"
cleanup = "3s"
"#
    )
}

/// A folder that is gone again when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("serinus-demo-{}", ulid::Ulid::generate()));
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "a temporary folder was left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Cadence;

    #[test]
    fn every_shipped_probe_is_built_in_and_loads_without_an_error() {
        let shipped = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("probes")).unwrap();
        let shipped = shipped.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "toml"));
        assert_eq!(shipped.count(), PROBES.len());

        let loaded =
            load_shipped(([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into(), "canary", Some("segment-copy")).unwrap();
        assert!(!loaded.diagnostics.has_errors(), "{}", loaded.diagnostics.render(false));
        let plan = loaded.service.unwrap().plan;
        assert_eq!((plan.probes.len(), plan.regions.len()), (PROBES.len(), REGIONS.len()));
        let every = |name: &str| plan.probes.iter().find(|probe| &*probe.name == name).map(|probe| probe.cadence.clone());
        assert!(matches!(every("segment-copy"), Some(Cadence::Every(every)) if every == TIMES.every));
        assert!(matches!(every("playlist-sync"), Some(Cadence::Every(every)) if every == SELDOM));
        assert!(!loaded.files[0].exists(), "the temporary folder is gone");
    }
}
