//! Files as large as they may be, made of what might take longer than in proportion to it.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::bounded::{Hostile, keep, load};

/// Bytes of the largest file that is read.
const LARGEST: usize = 1 << 20;

/// Seconds of processor time for one file: what is in proportion to a file takes a few without optimization; what goes by its
/// square takes hours.
const CPU_SECONDS: u32 = 60;

const HEAD: &str = "name = \"p\"\nevery = \"1m\"\ndeadline = \"20s\"\nalert.page = false\n";

const STEP: &str = "[[step]]\nname = \"s\"\nhttp.get = \"https://example.com/\"\nexpect = [\"status == 200\"]\n";

/// `before`, as many pieces as there is room for, `after`.
fn filled(before: &str, mut piece: impl FnMut(usize) -> String, after: &str) -> String {
    let mut text = before.to_owned();
    for number in 0.. {
        let piece = piece(number);
        if text.len() + piece.len() + after.len() > LARGEST {
            break;
        }
        text.push_str(&piece);
    }
    text.push_str(after);
    text
}

/// A way to make such a file.
type Make = fn() -> String;

/// Files of probes.
const PROBES: [(&str, Make); 29] = [
    ("values of a matrix", || filled(&format!("{HEAD}matrix.k = ["), |at| format!("{at},"), &format!("]\n{STEP}"))),
    ("keys of a matrix", || filled(&format!("{HEAD}{STEP}[matrix]\n"), |at| format!("k{at}=[1]\n"), "")),
    ("expressions in one string", || filled(&format!("{HEAD}{STEP}http.body = \""), |_| "{{run.id}}".into(), "\"\n")),
    ("different expressions in one string", || {
        filled(&format!("{HEAD}{STEP}http.body = \""), |at| format!("{{{{run.id~{at}}}}}"), "\"\n")
    }),
    ("unknown names in one string", || filled(&format!("{HEAD}{STEP}http.body = \""), |at| format!("{{{{n{at}}}}}"), "\"\n")),
    ("unknown cells in one string", || {
        filled(&format!("{HEAD}{STEP}http.body = \""), |at| format!("{{{{cell.n{at}}}}}"), "\"\n")
    }),
    ("expressions that are none", || filled(&format!("{HEAD}[vars]\n"), |at| format!("v{at}='{{{{ ! }}}}'\n"), STEP)),
    ("braces that are not closed", || filled(&format!("{HEAD}{STEP}http.body = \""), |_| "{{'".into(), "\"\n")),
    ("line breaks", || filled(&format!("{HEAD}{STEP}"), |_| "\n".into(), "")),
    ("brackets", || filled(&format!("{HEAD}a = "), |_| "[".into(), "")),
    ("inline tables that are not closed", || filled(HEAD, |_| "[s]\na = { env = \"X\"\n".into(), "")),
    ("lists in place of keys", || filled(&format!("{HEAD}a = "), |_| "{ [] a = ".into(), "")),
    ("parts of a key", || filled(HEAD, |_| "a.".into(), "a = 1\n")),
    ("lines that are none", || filled(HEAD, |_| "=\n".into(), STEP)),
    ("unknown keys", || filled(HEAD, |at| format!("k{at}=1\n"), STEP)),
    ("unknown keys of a step", || filled(&format!("{HEAD}{STEP}"), |at| format!("expec{at}=1\n"), "")),
    ("variables", || filled(&format!("{HEAD}[vars]\n"), |at| format!("v{at}=1\n"), STEP)),
    ("variables that use one another", || {
        filled(&format!("{HEAD}[vars]\nv0=1\n"), |at| format!("v{}='{{{{[v{at}]}}}}'\n", at + 1), STEP)
    }),
    ("variables that use later ones", || filled(&format!("{HEAD}[vars]\n"), |at| format!("v{at}='{{{{v{}}}}}'\n", at + 1), STEP)),
    ("steps", || filled(HEAD, |at| format!("[[step]]\nname='{at}'\nhttp.get='https://a/'\n"), "")),
    ("steps of one name", || filled(HEAD, |_| "[[step]]\nname='s'\nhttp.get='https://a/'\n".into(), "")),
    ("captures", || filled(&format!("{HEAD}{STEP}[step.capture]\n"), |at| format!("c{at}='json'\n"), "")),
    ("headers", || filled(&format!("{HEAD}{STEP}[step.http.headers]\n"), |at| format!("h{at}='x'\n"), "")),
    ("the same header", || filled(&format!("{HEAD}{STEP}[step.http.headers]\n"), |at| format!("{}='x'\n", cased(at)), "")),
    ("needs", || filled(&format!("{HEAD}needs = ["), |at| format!("'n{at}',"), &format!("]\n{STEP}"))),
    ("unknown regions", || filled(&format!("{HEAD}regions = ["), |at| format!("'r{at}',"), &format!("]\n{STEP}"))),
    ("expectations in one line", || {
        filled(&format!("{HEAD}{STEP}[[step]]\nname='t'\nhttp.get='https://a/'\nexpect = ["), |_| "'status==1',".into(), "]\n")
    }),
    ("one long expectation", || {
        filled(
            &format!("{HEAD}{STEP}[[step]]\nname='t'\nhttp.get='https://a/'\nexpect = ['status in ["),
            |_| "a.b==a.b,".into(),
            "]']\n",
        )
    }),
    ("devices", || filled(&format!("{HEAD}{STEP}"), |at| format!("[devices.d{at}]\n"), "")),
];

/// Files of services.
const SERVICES: [(&str, Make); 5] = [
    ("regions", || filled("notify.none = true\nprobes = ['../probes/*.toml']\n", |at| format!("[regions.r{at}]\n"), "")),
    ("variables of the service", || {
        filled("notify.none = true\nprobes = ['../probes/*.toml']\n[vars]\napi='https://a'\n", |at| format!("v{at}=1\n"), "")
    }),
    ("secrets", || filled("notify.none = true\nprobes = ['../probes/*.toml']\n[secrets]\n", |at| format!("s{at}.env='X'\n"), "")),
    ("routes", || {
        filled("notify.none = true\nprobes = ['../probes/*.toml']\n", |at| format!("[[alerting.route]]\nprobe=['p{at}']\n"), "")
    }),
    ("patterns", || filled("notify.none = true\nprobes = [", |at| format!("'p{at}',"), "]\n")),
];

/// A name of five letters, small and capital as the bits of a number say.
fn cased(at: usize) -> String {
    let mut name = String::new();
    for bit in 0..20 {
        let letter = if at >> bit & 1 == 1 { 'A' } else { 'a' };
        write!(name, "{letter}").unwrap();
    }
    name
}

/// The file of this number.
pub(crate) fn file(number: usize) -> Hostile {
    let probe = PROBES.get(number);
    let (_, make) = probe.unwrap_or_else(|| &SERVICES[number - PROBES.len()]);
    let text = make();
    assert!(text.len() > LARGEST - 100 && text.len() <= LARGEST, "{} bytes", text.len());
    Hostile { bytes: text.into_bytes(), is_service: probe.is_none() }
}

#[test]
fn what_a_file_takes_is_in_proportion_to_it() {
    let names: Vec<&str> = PROBES.iter().chain(&SERVICES).map(|(name, _)| *name).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut report = String::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(name) = names.get(number) else { return report };
            if let Some((_, why)) = load("largest", 0, (number, number + 1), CPU_SECONDS) {
                let kept = keep(&file(number), &format!("largest-{number}"));
                writeln!(report, "{name}, kept as {}: {why}", kept.display()).unwrap();
            }
        }
    };
    let report: String = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..std::thread::available_parallelism().map_or(1, usize::from)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    assert!(report.is_empty(), "{report}");
}

#[test]
fn a_file_that_is_larger_than_that_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("probe.toml");
    std::fs::write(&path, "\n".repeat(LARGEST + 1)).unwrap();
    let loaded = serinus::config::load_probes(&[path], None, []);
    let said = loaded.diagnostics.render(false);
    assert!(said.contains("file::too-large") && said.contains("1 MiB"), "{said}");
}
