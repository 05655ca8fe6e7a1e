//! Which files are meant: patterns of the service's file, and paths given by a person.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::diagnostic::nearest;
use super::tree::Node;
use super::{Code, Diagnostic, Diagnostics};

/// The files given by a person: files as they are, folders with everything below them.
pub(super) fn given(paths: &[PathBuf], diagnostics: &mut Diagnostics) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let below = glob_files(&format!("{}/**/*.toml", glob::Pattern::escape(&path.to_string_lossy())), &|| false);
        if below.is_empty() {
            let message = format!("there is no probe file below {}", path.display());
            diagnostics.push(Diagnostic::without_span(Code::NoProbes, message).help("probe files end in .toml"));
        }
        found.extend(below);
    }
    unique(found)
}

/// The files that the patterns of `probes` match.
pub(super) fn matched(patterns: &[Node<'_>], is_cancelled: &dyn Fn() -> bool, diagnostics: &mut Diagnostics) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for node in patterns {
        let Some(pattern) = pattern(node) else { continue };
        let files = glob_files(&pattern, is_cancelled);
        if files.is_empty() {
            diagnostics.push(
                Diagnostic::at(Code::NoProbes, node.span, "no file matches this pattern")
                    .label(format!("looked for {pattern}"))
                    .help("patterns are relative to this file; `*` is any name, `**` any folders"),
            );
        }
        found.extend(files);
    }
    unique(found)
}

/// The folders in which files that the patterns of `probes` match would come to be: those that may hold them, and, where one of
/// those is still to be made, the one it would be made in.
pub(super) fn folders(patterns: &[Node<'_>], is_cancelled: &dyn Fn() -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for pattern in patterns.iter().filter_map(pattern) {
        for above in Path::new(&pattern).ancestors().skip(1) {
            let text = if above.as_os_str().is_empty() { ".".into() } else { above.to_string_lossy() };
            let literal = glob::Pattern::escape(&text) == text;
            let before = found.len();
            let matching = glob::glob(&text).into_iter().flatten().take_while(|_| !is_cancelled()).flatten();
            found.extend(matching.filter(|path| path.is_dir()));
            if literal && found.len() > before {
                break;
            }
        }
    }
    unique(found)
}

fn pattern(node: &Node<'_>) -> Option<String> {
    let folder = node.span.file.path().parent().unwrap_or(Path::new(""));
    let whole = Path::new(&glob::Pattern::escape(&folder.to_string_lossy())).join(node.as_text()?);
    Some(without_detours(&whole).to_string_lossy().into_owned())
}

/// `config/../probes/*.toml` as `probes/*.toml`, as people would write it. Where `config` is a link that would be another
/// folder, and the path stays as it is.
pub(super) fn without_detours(path: &Path) -> PathBuf {
    let mut short = PathBuf::new();
    for component in path.components() {
        let above = matches!(short.components().next_back(), Some(Component::Normal(_)));
        match component {
            Component::ParentDir if above && !short.is_symlink() => {
                short.pop();
            }
            Component::CurDir => {}
            Component::ParentDir if above => return path.to_owned(),
            other => short.push(other),
        }
    }
    short
}

/// Folders of files whose steps probes use; they hold no probes.
const LIBRARY: &str = "lib";

/// Whether a file lies in a library's folder, as far as a pattern leaves open where it lies. A folder that is written out is meant.
fn is_in_library(path: &Path, pattern: &Path) -> bool {
    let is_written = |(part, written): &(Component<'_>, Component<'_>)| {
        glob::Pattern::escape(&part.as_os_str().to_string_lossy()) == written.as_os_str().to_string_lossy()
    };
    let literal = path.components().zip(pattern.components()).take_while(is_written).count();
    let folders = path.parent().map_or(0, |folder| folder.components().count());
    path.components().take(folders).skip(literal).any(|part| part.as_os_str() == LIBRARY)
}

/// The number of matching folders has no bound, so cancellation is asked for at each of them.
fn glob_files(pattern: &str, is_cancelled: &dyn Fn() -> bool) -> Vec<PathBuf> {
    let found = glob::glob(pattern).into_iter().flatten().take_while(|_| !is_cancelled()).flatten();
    let probes = found.filter(|path| path.is_file() && !is_in_library(path, Path::new(pattern)));
    let mut files: Vec<PathBuf> = probes.collect();
    files.sort();
    files
}

fn unique(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    paths.into_iter().filter(|path| seen.insert(path.clone())).collect()
}

/// A file beside one that is not there, with a name like it.
pub(super) fn neighbour(path: &Path) -> Option<String> {
    if path.exists() {
        return None;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: Vec<String> =
        std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let near = nearest(path.file_name()?.to_str()?, names.iter().map(String::as_str))?;
    Some(path.with_file_name(near).display().to_string())
}
