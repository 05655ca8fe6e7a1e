//! The segments that always exist: sources in every site group, and standing copies of each in the next site group.

use chrono::Utc;

use super::super::seed::Seed;
use super::record::{JobStatus, MadeFrom, Segment, SegmentKind};

/// Groups of sites that do not see each other's segments unless they are copied.
pub(super) const SITE_GROUPS: [&str; 3] = ["north", "south", "east"];

const SOURCES: [(&str, &str); 6] =
    [("sports", "north"), ("travel", "north"), ("cooking", "south"), ("gaming", "south"), ("fashion", "east"), ("cars", "east")];

const SMALLEST: f64 = 1_200_000.0;
const LARGEST: f64 = 9_000_000.0;

/// How far a source's size moves around its mean, as a share of it.
const DRIFT: f64 = 0.000_5;

/// Sources, then the standing copies, which are filled already.
pub(super) fn segments(seed: Seed) -> Vec<Segment> {
    let now = Utc::now();
    let source = |&(name, site_group): &(&str, &'static str)| Segment {
        id: format!("seg-{name}-{site_group}").into(),
        name: name.to_owned(),
        site_group,
        kind: SegmentKind::Source,
        size: source_size(seed, name, 0),
        made_from: None,
        standing: true,
        created_at: now,
        updated_at: now,
    };
    let sources: Vec<Segment> = SOURCES.iter().map(source).collect();
    let copies: Vec<Segment> = sources.iter().map(standing_copy).collect();
    [sources, copies].concat()
}

/// How many users a source has in a round of the refresh: the mean of its name, and a little more or less.
pub(super) fn source_size(seed: Seed, name: &str, round: u64) -> u64 {
    let mean = SMALLEST + (LARGEST - SMALLEST) * seed.point("segment size", name);
    let drift = (2.0 * seed.point("segment drift", &format!("{name}@{round}")) - 1.0) * DRIFT;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between a million and ten million")]
    let size = (mean * (1.0 + drift)) as u64;
    size
}

fn standing_copy(source: &Segment) -> Segment {
    let here = SITE_GROUPS.iter().position(|&group| group == source.site_group).unwrap_or_default();
    let site_group = SITE_GROUPS[(here + 1) % SITE_GROUPS.len()];
    Segment {
        id: format!("seg-{}-{site_group}", source.name).into(),
        name: source.name.clone(),
        site_group,
        kind: SegmentKind::Copy,
        size: source.size,
        made_from: Some(MadeFrom {
            source: source.id.clone(),
            source_size: source.size,
            expected_size: source.size,
            job: "job-initial".into(),
            status: JobStatus::Succeeded,
        }),
        standing: true,
        created_at: source.created_at,
        updated_at: source.updated_at,
    }
}
