//! Keys of a library of steps, of the steps that use one, and of what holds for all steps of a probe.

use super::super::declaration::{Key, Section};
use super::super::section::{DeclaredSection, Field, Names, Table, TablesOr, part, section, sentence};
use super::super::value_kind::{Condition, File, Json, Slug, Template, Value};
use super::http::Device;
use super::step::Step;

section! {
    /// A library of steps.
    Library as LibraryKeys: "library", "a library of steps" {
        /// What a use of the file gives, by name.
        parameters: Names<Table<Parameter>>,
        /// Its steps, in order; they take the place of the step that uses the file.
        #[expect(dead_code, reason = "they are read in the probe whose steps they become")]
        step: TablesOr<Step, Use> [required],
    }
}

section! {
    /// A parameter.
    Parameter as ParameterKeys: "parameter", "a parameter" {
        /// What it is where a use does not give it; without a default, each must.
        default: Json,
    }
}

section! {
    /// A step that stands for those of a library.
    Use as UseKeys: "use", "a step that uses a file" {
        /// The library whose steps take its place.
        #[expect(dead_code, reason = "it is read before the rest of the probe")]
        file @ "use": File [required],
        /// What the parameters of the library are here, by name.
        with: Names<Json>,
        /// A word before the names of its steps and of what they capture.
        word @ "as": Slug,
        /// The device of its steps, of those that name none.
        device: Template [default "that of each step"],
        /// Its steps are left out unless this is true.
        when: Condition,
    }
}

part! {
    /// `[defaults]`.
    Defaults of Step: "defaults", "`defaults`" {
        device { default: "\"default\"", doc: "The device of steps that name none." },
        timeout { doc: "Bound on one attempt of steps that give none." },
        retry { doc: "New attempts after transport errors, of steps that say nothing of it and do not poll." },
    }
}

/// Why a key of steps is none of this section, where that needs saying: the message, and what to do.
pub(in crate::config) fn of_steps_only(section: &Section, name: &str) -> Option<(String, &'static str)> {
    let is_of_step = Step::SECTION.key(name).is_some();
    if section.id == Use::SECTION.id && is_of_step {
        let why = if name == "name" {
            "`as` puts a word before the names of its steps"
        } else {
            "the steps of the file say it for themselves"
        };
        return Some((format!("a step that uses a file has no key `{name}`"), why));
    }
    let is_default = section.id == Defaults::SECTION.id;
    let message = || format!("`{name}` cannot be a default of steps");
    if is_default && Device::SECTION.key(name).is_some() {
        return Some((message(), "it is a key of devices, such as `[devices.default]`"));
    }
    (is_default && is_of_step && name != "name").then(|| (message(), "each step says it for itself"))
}
