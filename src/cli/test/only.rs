//! `serinus test --only STEP`: that step, and those that it cannot do without.

use std::cell::RefCell;
use std::sync::Arc;

use crate::base::nearest;
use crate::cli::Printer;
use crate::cli::exit::Failure;
use crate::cli::style::{printable, wrap};
use crate::plan::{Excerpt, Probe, Service, excerpt_for, journey, walk};

/// Leaves out what is not needed for these steps, and says what that is.
///
/// # Errors
/// No probe has such a step.
pub(in crate::cli) fn steps(printer: &Printer, services: Vec<Service>, wanted: &[String]) -> Result<Vec<Service>, Failure> {
    for name in wanted {
        let probes = || services.iter().flat_map(|service| &service.plan.probes);
        if !probes().any(|probe| probe.has_step(name)) {
            return Err(unknown(name, &probes().map(|probe| &**probe).collect::<Vec<_>>()));
        }
    }
    let told = RefCell::new(Vec::new());
    let narrowed = services.into_iter().map(|service| {
        let plan = service.plan.only(|probe| excerpt(probe, wanted, &told));
        Service { plan, ..service }
    });
    let narrowed = narrowed.filter(|service| !service.plan.canaries.is_empty()).collect();
    for told in told.into_inner() {
        printer.note(&wrap(&told, 2));
    }
    Ok(narrowed)
}

fn excerpt(probe: &Probe, wanted: &[String], told: &RefCell<Vec<String>>) -> Option<Excerpt> {
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).filter(|name| probe.has_step(name)).collect();
    let name = printable(&probe.name);
    if wanted.is_empty() {
        told.borrow_mut().push(format!("{name}: not run, it has no such step"));
        return None;
    }
    let excerpt = excerpt_for(probe, &wanted);
    let names = |steps: &[Arc<str>]| steps.iter().map(|step| format!("\"{}\"", printable(step))).collect::<Vec<_>>().join(", ");
    let needed: Vec<Arc<str>> = excerpt.made.iter().filter(|step| !wanted.contains(&&***step)).cloned().collect();
    let with = if needed.is_empty() { "needs no other step".to_owned() } else { format!("needs {}", names(&needed)) };
    let without = if excerpt.left_out.is_empty() { "nothing".to_owned() } else { names(&excerpt.left_out) };
    told.borrow_mut().push(format!("{name}: \"{}\" {with}; left out: {without}", wanted.join("\", \"")));
    Some(excerpt)
}

fn unknown(name: &str, probes: &[&Probe]) -> Failure {
    let undoes = probes.iter().flat_map(|probe| walk(&probe.steps)).find(|visit| *visit.step.name == *name);
    if let Some(step) = undoes.and_then(|visit| visit.undoes) {
        let step = &step.name;
        return Failure::usage(format!("`{name}` is the cleanup of `{step}`, and is made with it: --only '{step}'"));
    }
    let mut known: Vec<&str> = probes.iter().flat_map(|probe| journey(&probe.steps)).map(|step| &*step.name).collect();
    known.dedup();
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are `{}`", known.join("`, `")),
    };
    Failure::usage(format!("there is no step `{name}`; {hint}"))
}
