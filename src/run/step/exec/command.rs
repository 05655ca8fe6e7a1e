//! A command with everything filled in, and the program it means.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use minijinja::Value;
use rustix::fs::{Access, access};
use rustix::io::Errno;

use crate::outcome::Reason;
use crate::plan::expr::{Destination, EvalError};
use crate::plan::{ExecAction, Template};
use crate::run::step::TransportError;

/// Bytes that templates may make of a command and what it is given.
const MOST_RENDERED: usize = 8 << 20;

/// The directory of a program whose step names none.
const ROOT: &str = "/";

/// The variable that names the folders of programs.
const PATH: &str = "PATH";

/// The errors of a system that is out of resources for one more program or its pipes.
const OUT_OF_RESOURCES: [Errno; 4] = [Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::NFILE];

/// A command that can be run.
#[derive(Debug)]
pub(super) struct ExecCommand {
    /// The program as it is named, and its arguments.
    pub(super) words: Vec<String>,
    pub(super) stdin: Option<String>,
    /// Variables with their values.
    pub(super) env: Vec<(String, String)>,
    /// Names of variables that it has of this process.
    pub(super) inherit: Vec<String>,
    pub(super) directory: String,
}

impl ExecCommand {
    /// Fills in the templates.
    ///
    /// # Errors A template has no value, or one that a program cannot be given.
    pub(super) fn render(action: &ExecAction, scope: &Value) -> Result<Self, EvalError> {
        let mut room = MOST_RENDERED;
        let mut text = |template: &Template, holds_zero: bool| {
            let text = template.render(scope, Destination::Text)?;
            room = room.checked_sub(text.len()).ok_or_else(|| too_large(template))?;
            if !holds_zero && text.contains('\0') {
                let message = format!("`{}` has the character '\\0', at which it would end", template.source());
                return Err(EvalError { message });
            }
            Ok(text)
        };
        let mut words = Vec::with_capacity(action.arguments.len() + 1);
        for template in std::iter::once(&action.program).chain(&action.arguments) {
            words.push(text(template, false)?);
        }
        let mut env = Vec::with_capacity(action.env.len());
        for (name, template) in &action.env {
            env.push((name.clone(), text(template, false)?));
        }
        let stdin = action.stdin.as_ref().map(|template| text(template, true)).transpose()?;
        let directory = action.directory.as_ref().map_or_else(|| Ok(ROOT.to_owned()), |template| text(template, false))?;
        let command = Self { words, stdin, env, inherit: action.inherit.clone(), directory };
        command.must_be_plain().map_err(|message| EvalError { message })?;
        Ok(command)
    }

    /// Checks what the configuration could not check, because templates make it.
    fn must_be_plain(&self) -> Result<(), String> {
        let (program, directory) = (self.program(), &self.directory);
        if program.is_empty() {
            return Err("the program has no name".to_owned());
        }
        if program.contains('/') && !program.starts_with('/') {
            return Err(format!("the path of the program, `{program}`, is not absolute"));
        }
        if !directory.starts_with('/') {
            return Err(format!("the path of the directory, `{directory}`, is not absolute"));
        }
        Ok(())
    }

    /// The program as it is named.
    pub(super) fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The program's file and what starts it. Looks at the file system.
    ///
    /// # Errors
    /// There is no such program or directory.
    pub(super) fn prepare(&self) -> Result<(PathBuf, Command), TransportError> {
        let directory = Path::new(&self.directory);
        if let Err(error) = directory.read_dir().map(drop).or_else(|error| enter(directory, error)) {
            let message = format!("the directory `{}` cannot be entered: {error}", self.directory);
            return Err(TransportError::unsent(Reason::NotEvaluable, message));
        }
        let env: Vec<(&str, OsString)> = self.environment().collect();
        let path = self.path(&env)?;
        let mut command = Command::new(&path);
        command.arg0(self.program()).args(&self.words[1..]).current_dir(directory);
        command.env_clear().envs(env);
        Ok((path, command))
    }

    fn environment(&self) -> impl Iterator<Item = (&str, OsString)> {
        let inherited = self.inherit.iter().filter_map(|name| Some((name.as_str(), env::var_os(name)?)));
        inherited.chain(self.env.iter().map(|(name, value)| (name.as_str(), value.into())))
    }

    /// The file of the program. Only absolute folders of `PATH` are searched: others would depend on the directory.
    fn path(&self, env: &[(&str, OsString)]) -> Result<PathBuf, TransportError> {
        let program = Path::new(self.program());
        if program.is_absolute() {
            return Ok(program.to_owned());
        }
        let folders = env.iter().rev().find(|(name, _)| *name == PATH).map(|(_, folders)| folders.as_os_str());
        let found = env::split_paths(folders.unwrap_or_default())
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(program))
            .find(|path| path.is_file() && access(path, Access::EXEC_OK).is_ok());
        found.ok_or_else(|| {
            let looked = folders.map_or_else(
                || "it is given no `PATH` to look for it in".to_owned(),
                |folders| format!("it is in no folder of its `PATH`, {}", folders.display()),
            );
            TransportError::unsent(Reason::NotEvaluable, format!("there is no program `{}`: {looked}", self.program()))
        })
    }
}

/// A directory that cannot be listed may be entered all the same.
fn enter(directory: &Path, error: io::Error) -> io::Result<()> {
    if directory.is_dir() { Ok(access(directory, Access::EXEC_OK)?) } else { Err(error) }
}

fn too_large(template: &Template) -> EvalError {
    let message = format!("with `{}` the command and what it is given are larger than {MOST_RENDERED} bytes", template.source());
    EvalError { message }
}

/// What it means that a program could not be started.
///
/// A machine that is out of resources is the prober's own fault, `resources`. A program that does not exist or cannot be executed
/// is `not_evaluable`: the prober works, and the probe asks for something that cannot be done. That is a failure, because
/// `errored` runs page nobody until a canary is without data.
pub(super) fn not_started(path: &Path, error: &io::Error) -> TransportError {
    let is_ours = Errno::from_io_error(error).is_some_and(|error| OUT_OF_RESOURCES.contains(&error));
    let (reason, ours) =
        if is_ours { (Reason::Resources, ", for which this machine has too little left") } else { (Reason::NotEvaluable, "") };
    TransportError::unsent(reason, format!("`{}` cannot be started{ours}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str], env: &[(&str, &str)], directory: &str) -> ExecCommand {
        ExecCommand {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            stdin: None,
            env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            inherit: vec!["PATH".to_owned(), "SERINUS_NEVER_SET".to_owned()],
            directory: directory.to_owned(),
        }
    }

    #[test]
    fn a_bare_name_is_looked_for_in_the_absolute_folders_of_the_path_it_is_given() {
        for path in ["/usr/bin:/bin", ":.:relative:/nowhere:/usr/bin:/bin"] {
            let (found, made) = command(&["cat", "x"], &[("PATH", path)], "/").prepare().unwrap();
            assert!(found.ends_with("bin/cat") && found.is_absolute(), "{}", found.display());
            assert_eq!(made.get_args().collect::<Vec<_>>(), ["x"]);
        }
        for path in ["", ".:bin", "/nowhere", "/etc"] {
            let error = command(&["passwd.none"], &[("PATH", path)], "/").prepare().unwrap_err();
            assert_eq!((error.reason, error.sent), (Reason::NotEvaluable, false), "{path}");
        }
    }

    #[test]
    fn its_environment_is_what_is_named_and_is_there_and_its_own_values_win() {
        let (_, made) = command(&["/bin/cat"], &[("PATH", "/x"), ("A", "1")], "/").prepare().unwrap();
        let env: Vec<_> = made.get_envs().map(|(name, value)| (name.to_owned(), value.unwrap().to_owned())).collect();
        assert_eq!(env, [("A".into(), "1".into()), ("PATH".into(), "/x".into())]);
    }

    #[test]
    fn a_machine_that_has_too_little_is_no_program_that_is_missing() {
        let reason = |error: Errno| not_started(Path::new("/x"), &error.into()).reason;
        assert_eq!([Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::NFILE].map(reason), [Reason::Resources; 4]);
        let others = [Errno::NOENT, Errno::ACCESS, Errno::NOEXEC, Errno::NOTDIR, Errno::TOOBIG].map(reason);
        assert_eq!(others, [Reason::NotEvaluable; 5]);
    }

    #[test]
    fn a_directory_must_be_there() {
        let error = command(&["/bin/cat"], &[], "/nowhere").prepare().unwrap_err();
        assert!(error.message.contains("`/nowhere` cannot be entered"), "{}", error.message);
        assert!(command(&["/bin/cat"], &[], "/etc/passwd").prepare().is_err());
    }
}
