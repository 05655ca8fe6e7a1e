//! `serinus demo`: the live view, or the result of one incident.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::app::{Demo, RunEvent, RunEventsReader, StopSignals};
use crate::plan::LogFormat;
use crate::sandbox::{FaultName, Incident};

use super::args::{DemoArgs, Output};
use super::demo_result::{result_human, result_json};
use super::exit::Failure;
use super::grid::{GridState, Screen, event_line, render_grid};
use super::logs::{self, Verbosity, chain};
use super::{Exit, Printer};

/// How often the view is redrawn.
const REDRAW: Duration = Duration::from_millis(250);

pub(crate) async fn demo(printer: &Printer, args: &DemoArgs) -> Result<Exit, Failure> {
    let _logs = logs::start(LogFormat::Human, Verbosity::Errors)?;
    let mut signals = StopSignals::catch().map_err(|error| Failure::prober(format!("cannot catch signals: {error}")))?;
    let (demo, mut reader) = Demo::start(args.seed, args.incident).await.map_err(|error| Failure::prober(chain(&error)))?;
    printer.note(&format!(
        "dashboard  http://{0}/  (to act there, once: {2})\nmetrics  http://{0}/metrics\nsandbox  http://{1}",
        demo.metrics(),
        demo.sandbox(),
        demo.dashboard()
    ));
    let exit = if let Some(incident) = args.incident {
        tokio::select! {
            exit = tell(printer, &demo, &mut reader, incident, args.output) => exit,
            () = signals.next() => Err(Failure::prober("stopped before the incident was over")),
        }
    } else {
        let fault = FaultName::RegistrationStopsAfterPayment;
        printer.note(&format!("break it  curl -X PUT http://{}/faults/{fault}\nCtrl-C ends", demo.sandbox()));
        watch(printer, &demo, &mut reader, &mut signals).await;
        Ok(Exit::Well)
    };
    let progress = printer.progress("stopping");
    let stragglers = demo.stop().await;
    drop(progress);
    if !stragglers.is_empty() {
        printer.note(&format!("these did not end in time: {}", stragglers.join(", ")));
    }
    exit
}

/// Shows what ends until it is asked to stop or nobody reads any more.
async fn watch(printer: &Printer, demo: &Demo, reader: &mut RunEventsReader, signals: &mut StopSignals) {
    let mut grid = GridState::new(demo.canaries());
    let mut screen = Screen::default();
    let mut redraw = interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while !printer.closed() {
        tokio::select! {
            event = reader.next() => match event {
                Some(RunEvent::Run(report)) => {
                    grid.run_finished(&report);
                    if !printer.on_terminal() {
                        printer.data(&event_line(&report, printer.style()));
                    }
                }
                Some(RunEvent::Cleanup(report)) => grid.cleanup_finished(&report),
                None => return,
            },
            _ = redraw.tick(), if printer.on_terminal() => {
                let (width, rows) = printer.size();
                printer.frame(&screen.redraw(&render_grid(&grid, width, printer.style()), rows));
            }
            () = signals.next() => return,
        }
    }
}

/// Plays an incident and tells how it went.
async fn tell(
    printer: &Printer,
    demo: &Demo,
    reader: &mut RunEventsReader,
    incident: Incident,
    output: Output,
) -> Result<Exit, Failure> {
    let mut progress = None;
    let result = demo.incident(incident, reader, |what| {
        // The line before must be gone before the next one is drawn.
        drop(progress.take());
        progress = printer.progress(what);
    });
    let result = result.await;
    drop(progress);
    let result = result.map_err(|error| Failure::prober(chain(&error)))?;
    printer.data(&match output {
        Output::Human => result_human(&result, printer.style()),
        Output::Json => format!("{:#}", result_json(&result)),
    });
    Ok(if result.noticed.is_some() && result.paged.is_some() && result.resolved().is_some() {
        Exit::Well
    } else {
        Exit::ProbeFailed
    })
}
