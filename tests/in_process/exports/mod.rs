//! What `serinus export` makes of the shipped probes, held against the real promtool, Prometheus's rules, amtool and Grafana's
//! published schema. Where one of them is missing these tests fail.

mod committed;
mod dashboards;
mod firing;
mod routes;
mod scraped;

use std::path::Path;
use std::process::Command;

use serinus::plan::Service;

/// A probe with what they do not have: soft bounds, a quantile of whole runs, an owner that is awkward.
const SEARCH: &str = r#"
name = "search"
owner = "it's \"search\" {{ $labels.x }} \\ 1"
summary = "A search {{ answers }} \"at once\""
runbook = "https://runbooks.example.com/search?a=1&b={{ c }}"
every = "1m"
deadline = "20s"
[[step]]
name = "ask"
http.get = "{{ api }}/search"
expect = ["status == 200"]
warn = ["latency < 1"]
[slo]
success = "99%"
degraded = "5%"
latency = { p95 = "2s" }
window = "24h"
"#;

/// One that looks at one thing; `needs` names what it fails with.
fn look(name: &str, needs: &str, more: &str) -> String {
    format!(
        "name = \"{name}\"\nneeds = [{needs}]\ndeadline = \"9s\"\n{more}\n[[step]]\nname = \"look\"\n\
         http.get = \"{{{{ api }}}}/{name}\"\nexpect = [\"status == 200\"]\n"
    )
}

/// The shipped probes and five more, from one of two regions whose processes share no store.
pub(super) fn service() -> Service {
    with("region = \"eu\"\nregions = [\"eu\", \"us\"]\n", "public_url = \"https://serinus.example.com\"")
}

/// The same with other settings at the top and in `[alerting]`.
pub(super) fn with(top: &str, alerting: &str) -> Service {
    let folder = tempfile::tempdir().expect("a folder");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("probes/*.toml");
    let text = format!(
        "{top}probes = [{:?}, \"search.toml\", \"look-*.toml\"]\n[vars]\napi = \"http://127.0.0.1:8080\"\n[secrets]\n\
         canary_password = {{ env = \"CANARY_PASSWORD\" }}\n[notify]\nnone = true\n[alerting]\n{alerting}\n",
        shipped.display().to_string()
    );
    std::fs::write(folder.path().join("search.toml"), SEARCH).expect("it is written");
    let often = "every = \"10s\"\nconfirm = \"3s\"\nalert.page_after = 20";
    let seldom = "every = \"15m\"";
    let quiet = "every = \"15m\"\nalert.page = false";
    let looks = [
        ("basket", "\"search\"", often),
        ("wishes", "\"search\"", seldom),
        ("staging", "", quiet),
        ("trial", "\"staging\"", seldom),
    ];
    for (name, needs, more) in looks {
        std::fs::write(folder.path().join(format!("look-{name}.toml")), look(name, needs, more)).expect("it is written");
    }
    let config = folder.path().join("serinus.toml");
    std::fs::write(&config, text).expect("it is written");
    loaded(&config)
}

/// A configuration that must be valid.
pub(super) fn loaded(config: &Path) -> Service {
    let loaded = serinus::config::load(config, [("CANARY_PASSWORD".to_owned(), "sandbox-password".to_owned())]);
    loaded.service.unwrap_or_else(|| panic!("{}", loaded.diagnostics.render(false)))
}

/// Runs a program that must end well, and returns what it says.
pub(super) fn said(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("`{program}` cannot be started ({error}): see tests/setup/packages"));
    let words = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {words}");
    words
}
