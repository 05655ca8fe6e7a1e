//! Why a finished run is in no canary series.

/// A closed set, a label value of `serinus_runs_uncounted_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uncounted {
    /// Asked for by hand.
    Manual,
    /// `serinus test`.
    Test,
    /// Its canary left the plan while it ran.
    Removed,
}

impl Uncounted {
    /// Every one, in the order of the declaration.
    pub(super) const ALL: [Self; 3] = [Self::Manual, Self::Test, Self::Removed];

    /// The word used in the label.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Test => "test",
            Self::Removed => "removed",
        }
    }
}
