//! What the machine says about names: `/etc/resolv.conf` and `/etc/hosts`, read again when they change.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hickory_proto::rr::Name;

/// Bytes of a file that are read.
const LARGEST: u64 = 8 << 20;

/// Where names are looked up. The default is what the machine says, and right unless a test says otherwise.
#[derive(Debug, Clone)]
pub struct NameSources {
    /// The file of resolv.conf(5).
    pub resolv_conf: PathBuf,
    /// The file of hosts(5).
    pub hosts: PathBuf,
    /// The port of all name servers.
    pub port: u16,
    /// Look-ups that may be under way at once; by default as many as an eighth of the files this process may open, at most 1,024.
    pub max_look_ups: Option<usize>,
}

impl Default for NameSources {
    fn default() -> Self {
        Self { resolv_conf: "/etc/resolv.conf".into(), hosts: "/etc/hosts".into(), port: 53, max_look_ups: None }
    }
}

/// What the files say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::run) struct Settings {
    /// At least one.
    pub(in crate::run) servers: Vec<SocketAddr>,
    pub(super) search: Vec<Name>,
    pub(super) ndots: usize,
    /// How long one server is waited for.
    pub(in crate::run) timeout: Duration,
    /// How often each server is asked.
    pub(in crate::run) attempts: usize,
    /// Whether each look-up begins with another server.
    pub(super) rotate: bool,
    /// Whether questions go over TCP.
    pub(super) tcp: bool,
    /// Whether addresses of version 6 are not asked for.
    pub(super) no_six: bool,
    hosts: HashMap<String, Arc<[IpAddr]>>,
}

impl Settings {
    /// Reads the text of both files, leniently as other resolvers do: what is not known is ignored.
    pub(super) fn parse(resolv_conf: &str, hosts: &str, port: u16) -> Self {
        let timeout = Duration::from_secs(5);
        let mut settings = Self { ndots: 1, timeout, attempts: 2, hosts: parse_hosts(hosts), ..Self::default() };
        for line in resolv_conf.lines().filter(|line| !line.starts_with(['#', ';'])) {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    settings.servers.extend(words.next().and_then(|address| server(address, port)));
                }
                Some("search" | "domain") => settings.search = words.filter_map(|name| Name::from_ascii(name).ok()).collect(),
                Some("options") => words.for_each(|option| settings.option(option)),
                Some(_) | None => {}
            }
        }
        settings.servers.truncate(3);
        if settings.servers.is_empty() {
            settings.servers.push((Ipv4Addr::LOCALHOST, port).into());
        }
        settings
    }

    fn option(&mut self, option: &str) {
        let (name, value) = option.split_once(':').unwrap_or((option, ""));
        let number = |least, most| value.parse::<usize>().ok().map(|number| number.clamp(least, most));
        match name {
            "ndots" => self.ndots = number(0, 15).unwrap_or(self.ndots),
            "timeout" => self.timeout = number(1, 30).map_or(self.timeout, |seconds| Duration::from_secs(seconds as u64)),
            "attempts" => self.attempts = number(1, 5).unwrap_or(self.attempts),
            "rotate" => self.rotate = true,
            "use-vc" => self.tcp = true,
            "no-aaaa" => self.no_six = true,
            _ => {}
        }
    }

    /// The addresses of a name that needs no name server: those of the hosts file, and the machine's own for `localhost` and what
    /// is below it (RFC 6761, section 6.3).
    pub(super) fn known(&self, host: &str) -> Option<Arc<[IpAddr]>> {
        let host = host.strip_suffix('.').unwrap_or(host);
        if let Some(addresses) = self.hosts.get(host) {
            return Some(Arc::clone(addresses));
        }
        let is_local = host == "localhost" || host.ends_with(".localhost");
        is_local.then(|| [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].into())
    }
}

fn parse_hosts(text: &str) -> HashMap<String, Arc<[IpAddr]>> {
    let mut hosts: HashMap<String, Vec<IpAddr>> = HashMap::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse) else { continue };
        for name in words {
            let addresses = hosts.entry(name.trim_end_matches('.').to_ascii_lowercase()).or_default();
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    hosts
        .into_iter()
        .map(|(name, mut addresses)| {
            super::order::sort(&mut addresses);
            (name, addresses.into())
        })
        .collect()
}

/// `fe80::1%eth0` names the interface that a link-local address is on.
fn server(text: &str, port: u16) -> Option<SocketAddr> {
    let Some((address, interface)) = text.split_once('%') else {
        return text.parse().ok().map(|address: IpAddr| (address, port).into());
    };
    let named = || std::fs::read_to_string(Path::new("/sys/class/net").join(interface).join("ifindex")).ok()?.trim().parse().ok();
    let scope = interface.parse().ok().or_else(named)?;
    Some(SocketAddrV6::new(address.parse().ok()?, port, 0, scope).into())
}

/// The settings, and how the files stood when they were read.
#[derive(Debug)]
pub(super) struct Watched {
    sources: NameSources,
    stamps: [Stamp; 2],
    settings: Arc<Settings>,
}

/// How a file stood; absent if it was not there.
type Stamp = Option<(SystemTime, u64, u64)>;

impl Watched {
    /// Reads the files.
    pub(super) fn new(sources: NameSources) -> Self {
        let mut watched = Self { sources, stamps: [None; 2], settings: Arc::default() };
        watched.stamps = watched.now();
        watched.read();
        watched
    }

    /// What they said last.
    pub(super) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Reads them again if they changed.
    pub(super) fn renew(&mut self) {
        let now = self.now();
        if now != self.stamps {
            self.stamps = now;
            self.read();
        }
    }

    fn now(&self) -> [Stamp; 2] {
        [&self.sources.resolv_conf, &self.sources.hosts].map(|path| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.modified().ok()?, meta.len(), meta.ino()))
        })
    }

    fn read(&mut self) {
        let [resolv_conf, hosts] = [&self.sources.resolv_conf, &self.sources.hosts].map(|path| text_of(path));
        let settings = Settings::parse(&resolv_conf, &hosts, self.sources.port);
        if settings != *self.settings {
            tracing::debug!(servers = ?settings.servers, search = ?settings.search, "what the machine says about names was read");
            self.settings = Arc::new(settings);
        }
    }
}

/// A file's text. A file that does not exist counts as empty, as for every resolver; one that cannot be read too, with a warning.
fn text_of(path: &Path) -> String {
    use std::io::Read as _;

    let mut bytes = Vec::new();
    match std::fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes)) {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => {
            if error.kind() != std::io::ErrorKind::NotFound {
                tracing::warn!(path = %path.display(), %error, "cannot read what the machine says about names; it is taken as empty");
            }
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_is_read_as_its_manual_says() {
        let text = "# comment\n;another\nsearch ignored.test\nnameserver 10.0.0.1\nnameserver nonsense\nnameserver 2001:db8::1\n\
            nameserver fe80::1%7\nnameserver 10.0.0.9\nsearch a.test b.test\noptions ndots:99 timeout:0 attempts:3 rotate use-vc no-aaaa edns0\n";
        let settings = Settings::parse(text, "", 53);
        let servers: Vec<String> = settings.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.1:53", "[2001:db8::1]:53", "[fe80::1%7]:53"]);
        assert_eq!(settings.search.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a.test", "b.test"]);
        assert_eq!((settings.ndots, settings.timeout, settings.attempts), (15, Duration::from_secs(1), 3));
        assert!(settings.rotate && settings.tcp && settings.no_six);
        let empty = Settings::parse("", "", 5353);
        assert_eq!(empty.servers, ["127.0.0.1:5353".parse().unwrap()]);
        assert_eq!((empty.ndots, empty.timeout, empty.attempts), (1, Duration::from_secs(5), 2));
    }

    #[test]
    fn the_hosts_file_and_localhost_need_no_name_server() {
        let hosts = "10.1.1.1 One.Test one # two\n10.1.1.2 one.test\n# 10.1.1.3 three.test\nnonsense four.test\n::1 six.test\n";
        let settings = Settings::parse("", hosts, 53);
        let known =
            |host: &str| settings.known(host).map(|addresses| addresses.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(known("one.test").unwrap(), ["10.1.1.1", "10.1.1.2"]);
        assert_eq!(known("one.test.").unwrap(), ["10.1.1.1", "10.1.1.2"]);
        assert_eq!(known("one").unwrap(), ["10.1.1.1"]);
        assert_eq!(known("six.test").unwrap(), ["::1"]);
        assert_eq!(known("api.localhost").unwrap(), ["127.0.0.1", "::1"]);
        assert!(["two", "three.test", "four.test", "notlocalhost"].iter().all(|host| known(host).is_none()));
    }

    #[test]
    fn changed_files_are_read_again_whether_written_over_or_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let sources = NameSources { resolv_conf: at("resolv.conf"), hosts: at("hosts"), port: 53, max_look_ups: None };
        let mut watched = Watched::new(sources);
        let servers = |watched: &Watched| watched.settings().servers[0].ip().to_string();
        assert_eq!(servers(&watched), "127.0.0.1");
        std::fs::write(at("resolv.conf"), "nameserver 10.0.0.1\n").unwrap();
        watched.renew();
        assert_eq!(servers(&watched), "10.0.0.1");
        std::fs::write(at("new"), "nameserver 10.0.0.2\n").unwrap();
        std::fs::rename(at("new"), at("resolv.conf")).unwrap();
        watched.renew();
        assert_eq!(servers(&watched), "10.0.0.2");
        let before = Arc::clone(watched.settings());
        watched.renew();
        assert!(Arc::ptr_eq(&before, watched.settings()), "what did not change is not read");
        std::fs::write(at("hosts"), "10.1.1.1 one.test\n").unwrap();
        watched.renew();
        assert!(watched.settings().known("one.test").is_some());
    }
}
