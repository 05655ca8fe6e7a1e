//! The closed set of rules a configuration can break, and how much each matters.
//!
//! A new rule is a line of the table below, the place that reports it, and a case in `tests/config_errors/`.

use std::fmt;

/// Whether a configuration with this problem may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It may not.
    Error,
    /// It may, but it is likely not what was meant.
    Warning,
}

impl Severity {
    /// The word used in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident $severity:ident $text:literal,)+) => {
        /// The rule a diagnostic is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// Every rule, in the order of the declaration.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The word used in every output.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// Whether a configuration that breaks it may be used.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)+ }
            }
        }
    };
}

codes! {
    /// A file cannot be read, or is not UTF-8.
    Unreadable Error "file::unreadable",
    /// A file is larger than such a file may be.
    TooLarge Error "file::too-large",
    /// A file a probe names is not what it must be (PEM).
    NotPem Error "file::not-pem",
    /// Not TOML.
    Syntax Error "toml::syntax",
    /// TOML 1.1, which editors do not read yet.
    NewerToml Error "toml::not-1-0",
    /// Brackets or dotted keys within each other, deeper than is read.
    TooDeep Error "toml::too-deep",
    /// A key given twice.
    DuplicateKey Error "toml::duplicate-key",
    /// A key nobody knows.
    UnknownKey Error "config::unknown-key",
    /// More problems in a file than are shown.
    MoreProblems Warning "config::more-problems",
    /// A key whose feature is not in this version.
    NotYet Error "config::not-yet",
    /// A value of another type than the key's.
    WrongType Error "config::wrong-type",
    /// A value of the right type that means nothing, or is out of range.
    InvalidValue Error "config::invalid-value",
    /// A key that must be there.
    MissingKey Error "config::missing-key",
    /// Keys of which exactly one must be there.
    OneOf Error "config::one-of",
    /// A key that has no effect without another one.
    NeedsKey Error "config::needs-key",
    /// A key that stands in a table below the one it belongs to.
    MisplacedKey Error "config::misplaced-key",
    /// A `SERINUS_…` environment variable nobody knows.
    UnknownVariable Error "config::unknown-variable",
    /// A region that is not configured.
    UnknownRegion Error "config::unknown-region",
    /// Something that must be listed once only.
    Repeated Error "config::repeated",
    /// A library of steps where a probe is wanted.
    NoProbe Error "file::no-probe",
    /// A probe where a library of steps is wanted.
    NoLibrary Error "file::no-library",
    /// A pattern in `probes` that no file matches.
    NoProbes Error "config::no-probes",
    /// A secret that is not declared.
    UnknownSecret Error "config::unknown-secret",
    /// A listener others can reach without a token.
    OpenListener Error "config::open-listener",
    /// A probe that runs a program where the service allows none.
    ExecOff Error "config::exec-off",
    /// A channel that is not configured.
    UnknownChannel Error "config::unknown-channel",
    /// A template where only constants are read.
    ConstantOnly Error "config::constant-only",
    /// A secret whose source is not there.
    MissingSecret Warning "config::missing-secret",
    /// A secret that is too short to be kept out of texts.
    ShortSecret Error "config::short-secret",
    /// Two probes of one name.
    DuplicateProbe Error "probe::duplicate-name",
    /// A probe that is needed and not there.
    UnknownProbe Error "probe::unknown-probe",
    /// Probes that need each other in a circle.
    NeedsCircle Error "probe::needs-circle",
    /// Files whose steps use each other in a circle.
    UseCircle Error "probe::use-circle",
    /// A parameter that a library of steps does not have.
    UnknownParameter Error "probe::unknown-parameter",
    /// A parameter without a value.
    MissingParameter Error "probe::missing-parameter",
    /// A parameter that no step of the library uses.
    UnusedParameter Error "probe::unused-parameter",
    /// An interval shorter than the service allows.
    ShortInterval Error "probe::short-interval",
    /// A matrix with more cells than can be meant.
    TooManyCells Error "probe::too-many-cells",
    /// More names or steps than a probe may have.
    TooMany Error "probe::too-many",
    /// A matrix key that is a metric label already, or cannot be one.
    LabelName Error "probe::label-name",
    /// A name that is taken by the program.
    ReservedName Error "probe::reserved-name",
    /// A name that is taken by another declaration.
    ShadowedName Error "probe::shadowed-name",
    /// A device that is not declared.
    UnknownDevice Error "probe::unknown-device",
    /// A variable that is missing in a region the probe runs in.
    VarOfRegion Error "probe::var-of-region",
    /// A probe that can never fail, and therefore never pass.
    ExpectsNothing Error "probe::expects-nothing",
    /// A creation that is another one at each attempt, so that its cleanup cannot undo it.
    ChangingCreation Error "step::changing-creation",
    /// Two steps of one name.
    DuplicateStep Error "step::duplicate-name",
    /// A step that is named and does not come before.
    UnknownStep Error "step::unknown-step",
    /// A path without anything it could be joined to.
    NoBase Error "step::no-base",
    /// A connection that no step before has opened.
    UnknownConnection Error "step::unknown-connection",
    /// Not an expression or template.
    ExpressionSyntax Error "expression::syntax",
    /// A name that nothing has at this place.
    UnknownName Error "expression::unknown-name",
    /// A name that is there later on.
    NotYetKnown Error "expression::not-yet-known",
    /// A `cell.KEY` that is not in the matrix.
    UnknownCellKey Error "expression::unknown-cell-key",
    /// A contract that is not a JSON Schema.
    InvalidContract Error "contract::invalid",
    /// Something is created and nothing undoes it.
    NoCleanup Warning "lint::no-cleanup",
    /// A run may take longer than the pause to the next one.
    DeadlineOverSlot Warning "lint::deadline-over-slot",
    /// A step that expects nothing, above a cleanup that expects something: most likely a key that stands one header too low.
    ExpectInCleanup Warning "lint::expect-in-cleanup",
    /// A step whose answer nobody looks at.
    UncheckedStep Warning "lint::unchecked-step",
    /// A secret where proxies and logs can read it.
    SecretInUrl Warning "lint::secret-in-url",
    /// A secret where everybody on the machine can read it.
    SecretInArguments Warning "lint::secret-in-arguments",
    /// A value that becomes a part of a shell's script.
    ValueInScript Warning "lint::value-in-script",
    /// A window that ends after the run.
    WithinOverDeadline Warning "lint::within-over-deadline",
    /// A pause between attempts that is longer than the time they have.
    PollOverWindow Warning "lint::poll-over-window",
    /// A pause between attempts of less than 10 ms.
    ShortPoll Warning "lint::short-poll",
    /// A creation that is polled.
    RepeatedCreation Warning "lint::repeated-creation",
    /// Nobody to wake, or nothing to read when woken.
    Unowned Warning "lint::unowned",
    /// Probes page, and nobody is told.
    NoChannel Warning "lint::no-channel",
    /// Critical needs more regions than this process runs.
    CriticalUnseen Warning "lint::critical-unseen",
    /// Critical looks back less than two intervals.
    CriticalWindow Warning "lint::critical-window",
    /// A reminder that comes before there can be news.
    RemindTooSoon Warning "lint::remind-too-soon",
    /// A key that does nothing where it stands.
    NoEffect Warning "lint::no-effect",
    /// What fails at page level wakes nobody before it goes to all channels.
    NobodyWakes Warning "lint::nobody-wakes",
    /// A rule that pages by chance where runs may fail now and then.
    ChancePages Warning "lint::chance-pages",
    /// A maintenance window in the past.
    MaintenanceOver Warning "lint::maintenance-over",
    /// A route or a maintenance window that is about nothing there is.
    MatchesNothing Warning "lint::matches-nothing",
    /// A route to a channel that takes none of its severities.
    BelowLeast Warning "lint::below-least",
    /// Pages that others on the way can read.
    UnprotectedChannel Warning "lint::unprotected-channel",
    /// Any certificate is accepted.
    InsecureTls Warning "lint::insecure-tls",
    /// A condition that is the same whatever the answer is, or has a side that is, as in `status == 200 or 204`.
    DoubtfulCondition Warning "lint::doubtful-condition",
    /// A word of `allow` that silences nothing.
    UnusedAllow Warning "lint::unused-allow",
}

/// What the codes of lints begin with.
const LINT: &str = "lint::";

impl Code {
    /// The rule of this code, or of the word behind its `::`, if there is one.
    pub(super) fn of(code: &str) -> Option<Self> {
        let is_it = |rule: &Self| rule.as_str() == code || rule.as_str().split_once("::").is_some_and(|(_, word)| word == code);
        Self::ALL.iter().copied().find(is_it)
    }

    /// The lint that `allow` calls by this word, which is its code without `lint::`.
    pub(super) fn of_lint(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.lint() == Some(word))
    }

    /// The word by which it is told in `allow` and in the reference documentation, if it is a lint.
    pub fn lint(self) -> Option<&'static str> {
        self.as_str().strip_prefix(LINT)
    }

    /// Whether `allow` can silence it. Errors never can be; a service that tells nobody has a key to say so, and a word that silences
    /// nothing is to be taken out.
    pub fn can_be_allowed(self) -> bool {
        self.severity() == Severity::Warning && self.lint().is_some() && !matches!(self, Self::NoChannel | Self::UnusedAllow)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
