//! `serinus runs --follow`: the last runs, and then each new one as it is written.
//!
//! It goes on from a cursor among the store's runs, which outlives a connection and a restart of the service, so that no run is missed
//! and none comes twice, however much else is written. The cursor is taken before the last runs are listed: what is written in between comes both ways, and is told once.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;

use super::args::{Output, RunsArgs};
use super::client::{Client, list, word};
use super::exit::{Exit, Failure};
use super::printer::Printer;
use super::runs::{chosen, has_cell, line, listed};

/// How often it is asked what is new.
const AGAIN: Duration = Duration::from_secs(1);
/// How long after a failure at most.
const AT_MOST: Duration = Duration::from_secs(10);

pub(super) async fn follow(printer: &Printer, client: &Client, args: &RunsArgs) -> Result<Exit, Failure> {
    let mut query = chosen(args);
    let mut after = word(&client.get(&["runs", "written"], &query).await?, "next");
    let mut last = list(&listed(client, args).await?, "items").to_vec();
    last.reverse();
    let mut known: HashSet<String> = last.iter().map(|run| word(run, "run_id")).collect();
    for run in &last {
        tell(printer, args, run);
    }
    query.push(("after", String::new()));
    let mut wait = AGAIN;
    while !printer.closed() {
        if let Some((_, cursor)) = query.last_mut() {
            cursor.clone_from(&after);
        }
        match client.get(&["runs", "written"], &query).await {
            Ok(answer) => {
                if wait > AGAIN {
                    printer.note("the service answers again");
                }
                wait = AGAIN;
                for run in fresh(&answer, &mut known).filter(|run| has_cell(run, &args.cell)) {
                    tell(printer, args, run);
                }
                if answer["is_cut"] == true {
                    printer.note("the service has another store now, or an older copy of it: some runs may be missing");
                }
                after = word(&answer, "next");
                if answer["more"] == true {
                    continue;
                }
            }
            // What is wrong with the question does not mend itself.
            Err(failure) if failure.exit == Exit::Usage => return Err(failure),
            Err(failure) => {
                if wait == AGAIN {
                    printer.note(&format!("{}; trying again", failure.message));
                }
                wait = (wait * 2).min(AT_MOST);
            }
        }
        tokio::time::sleep(wait).await;
    }
    Ok(Exit::Well)
}

/// The runs that were not told yet. Only those of the list at the begin can come again, and each of them once.
fn fresh<'a>(answer: &'a Value, known: &mut HashSet<String>) -> impl Iterator<Item = &'a Value> {
    list(answer, "items").iter().filter(|run| !known.remove(&word(run, "run_id")))
}

fn tell(printer: &Printer, args: &RunsArgs, run: &Value) {
    printer.data(&match args.remote.output {
        Output::Json => run.to_string(),
        Output::Human => line(run, printer.style()),
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_that_was_listed_while_it_was_written_is_told_once() {
        let mut known = HashSet::from(["01A".to_owned()]);
        let answer = json!({ "items": [{ "run_id": "01A" }, { "run_id": "01B" }] });
        let told: Vec<String> = fresh(&answer, &mut known).map(|run| word(run, "run_id")).collect();
        assert_eq!((told, known.len()), (vec!["01B".to_owned()], 0));
    }
}
