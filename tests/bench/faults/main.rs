//! A fleet under every fault: real processes in networks of their own, a real database, and what became of ticks, pages and test data.
//!
//!     cargo bench --profile dev --bench faults [-- --list | --only NAME | --critical RINGS TAKEOVERS]
//!
//! Each fault has a fleet of its own, in a namespace of its own, while the target fails in two regions. It needs root, or a kernel that
//! lets users have namespaces; PostgreSQL, `iproute2`, `iptables` and `libfaketime`, all packages of Debian. What each process and the
//! database said is in `target/faults`. It ends with 1 where a tick counted twice, a page was lost, or test data stayed.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be measured")]

#[expect(dead_code, reason = "tests use the rest")]
#[path = "../../cli_support/mod.rs"]
mod cli_support;
#[expect(dead_code, reason = "tests use the rest")]
#[path = "../../support/delaying.rs"]
mod delaying;
#[path = "../../support/namespace.rs"]
mod namespace;
#[expect(dead_code, reason = "tests use the rest")]
#[path = "../../page_support/mod.rs"]
mod page_support;
#[expect(dead_code, reason = "tests use the rest")]
#[path = "../../support/postgres.rs"]
mod postgres;
#[path = "../../support/programs.rs"]
mod programs;

mod count;
mod critical;
mod fault;
mod network;
mod world;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use fault::Fault;
use world::World;

/// Fleets at once.
const AT_ONCE: usize = 3;

/// What a line begins with that goes into the table.
const ROW: &str = "row: ";

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let named = |name: &str| Fault::ALL.into_iter().find(|fault| fault.words()[0] == name);
    match arguments[..] {
        [] => table(&Fault::ALL),
        ["--list"] => {
            for [name, what, promised] in Fault::ALL.map(Fault::words) {
                println!("{name}: {what} ({promised})");
            }
            ExitCode::SUCCESS
        }
        ["--only", name] if named(name).is_some() => table(&named(name).into_iter().collect::<Vec<_>>()),
        ["--inside", name] if named(name).is_some() => inside(named(name).expect("it was found")),
        ["--critical", rings, takeovers] => times(rings, takeovers),
        ["--critical-inside", rings, takeovers] => match (rings.parse(), takeovers.parse()) {
            (Ok(rings), Ok(takeovers)) => critical::measure(rings, takeovers, &logs("critical")),
            _ => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    println!("usage: cargo bench --profile dev --bench faults [-- --list | --only NAME | --critical RINGS TAKEOVERS]");
    ExitCode::from(2)
}

/// The folder for what the processes of a case say, empty.
fn logs(name: &str) -> PathBuf {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/faults")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs this program in a namespace of its own. Returns its rows, and whether it ended well.
fn alone(arguments: &[&str]) -> (String, bool) {
    let user = Command::new("id").arg("-u").output().unwrap();
    let root: &[&str] = if user.stdout == b"0\n" { &[] } else { &["--map-root-user"] };
    let output = Command::new("unshare")
        .args(["--net", "--mount"])
        .args(root)
        .arg(std::env::current_exe().unwrap())
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .expect("`unshare` is of Debian's package `util-linux`");
    let text = String::from_utf8_lossy(&output.stdout);
    let rows: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(ROW)).collect();
    (rows.join("\n"), output.status.success())
}

fn code(is_well: bool) -> ExitCode {
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs cases, some at once, and prints the table of them.
fn table(faults: &[Fault]) -> ExitCode {
    let next = Mutex::new(faults.iter().copied().enumerate());
    let rows: Mutex<Vec<(usize, String, bool)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(faults.len()) {
            scope.spawn(|| {
                loop {
                    let Some((number, fault)) = next.lock().unwrap().next() else { break };
                    let (row, is_well) = alone(&["--inside", fault.words()[0]]);
                    eprintln!("{}: {row}", fault.words()[0]);
                    rows.lock().unwrap().push((number, row, is_well));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort();
    println!("{}", count::HEAD);
    for (_, row, _) in &rows {
        println!("{row}");
    }
    code(rows.iter().all(|(_, _, is_well)| *is_well))
}

/// Prints how long critical pages took.
fn times(rings: &str, takeovers: &str) -> ExitCode {
    let (rows, is_well) = alone(&["--critical-inside", rings, takeovers]);
    println!("{}\n{rows}", critical::HEAD);
    code(is_well)
}

/// One case, in the namespace that this process has.
fn inside(fault: Fault) -> ExitCode {
    let logs = logs(fault.words()[0]);
    let mut world = World::start(fault.setup(), &logs, &["shop"]);
    let [first, second] = fault.fails_in();
    let began = Instant::now();
    fault.begin(&mut world);
    std::thread::sleep(Duration::from_secs(2));
    world.break_region("shop", first);
    // A ring for a rise of severity comes 5 s after the ring before it, which is not what is measured.
    std::thread::sleep(Duration::from_secs(8));
    fault.between(&mut world);
    let broken = Instant::now();
    // Instead of an answer that is wrong, it gets none.
    if fault != Fault::TargetFromRegion {
        world.break_region("shop", second);
    }
    std::thread::sleep(fault.lasts().saturating_sub(began.elapsed()));
    fault.end(&mut world);
    let told = |world: &World| count::critical(&world.pager.pages()).is_some();
    world.wait("it is critical", Duration::from_secs(100), told);
    for region in [first, second] {
        world.mend_region("shop", region);
    }
    world.until_over();
    world.stop_all();
    // Once it fails in one region, one run that fails in another one decides.
    let deciding = if fault == Fault::TargetFromRegion {
        count::ended(&world, second)
    } else {
        world.target.asked_at(&format!("/shop/{second}")).into_iter().find(|at| *at > broken)
    };
    let seen = count::count(&world, deciding);
    println!("{ROW}{}", seen.row(fault));
    let after = |at: Instant| format!("{:6.2} s", at.saturating_duration_since(began).as_secs_f64());
    let mut story = format!("{} the second region broken, {:?} decided\n", after(broken), deciding.map(after));
    for page in world.pager.pages() {
        writeln!(story, "{} {} {}", after(page.at), page.id, page.line()).unwrap();
    }
    let tries = "SELECT id, what, key, state, attempts, error FROM tries ORDER BY made_ms";
    writeln!(story, "{}", world.database.ask("serinus", tries)).unwrap();
    for problem in &world.problems {
        writeln!(story, "{problem}").unwrap();
    }
    std::fs::write(logs.join("story"), &story).unwrap();
    if !world.problems.is_empty() || !seen.holds() {
        eprintln!("{}:\n{story}", fault.words()[0]);
    }
    code(seen.holds() && world.problems.is_empty())
}
