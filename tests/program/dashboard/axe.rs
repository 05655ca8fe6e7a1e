//! axe-core: what of a page people who see, hear or move otherwise could not use.

use std::process::Command;
use std::sync::OnceLock;

use serde_json::json;

use super::browser::Browser;

/// Its source, fetched once a machine.
fn source() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let folder = concat!(env!("CARGO_TARGET_TMPDIR"), "/axe");
        let output = Command::new("tests/setup/axe").arg(folder).output().expect("tests/setup/axe can be run");
        assert!(output.status.success(), "axe-core is missing: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::read_to_string(format!("{folder}/axe.min.js")).unwrap()
    })
}

/// What is serious or worse of the page that is open: rule, what it wants, and where that is not so. A link in a `summary`, as probes
/// of the overview have it, is a known one: browsers say both, and both can be reached by keys.
#[track_caller]
pub(crate) fn faults(browser: &Browser) -> Vec<String> {
    if browser.script("return typeof axe;") != "object" {
        // The driver runs this beside the page, whose policy would not let it in.
        browser.script(&format!("{}\nwindow.axe = axe;", source()));
    }
    let found = browser.script_later(
        "const done = arguments[1];
         axe.run(document, { resultTypes: ['violations'] }).then(
            (found) => done(found.violations.filter((fault) => arguments[0].includes(fault.impact)).map((fault) => ({ ...fault,
                nodes: fault.nodes.filter((node) => fault.id !== 'nested-interactive' || !node.html.startsWith('<summary')) }))
                .filter((fault) => fault.nodes.length > 0).map((fault) =>
                `${fault.impact} ${fault.id}: ${fault.help}: ` +
                fault.nodes.slice(0, 5).map((node) => `${node.target}: ${node.html.slice(0, 160)}: ${node.failureSummary}`).join(' | '))),
            (error) => done([`axe failed: ${error}`]));",
        vec![json!(["serious", "critical"])],
    );
    found.as_array().expect("axe answers with a list").iter().map(|fault| fault.as_str().unwrap_or_default().to_owned()).collect()
}
