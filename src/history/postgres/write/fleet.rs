//! What a process of a fleet writes beside what every one does: that it still has its leases, and facts for the evaluator.

use tokio_postgres::types::Type;

use super::super::fleet::Fence;
use super::super::text::plain;
use super::lock_numbers;
use super::statement::Statement;
use crate::history::backlog::Backlog;
use crate::history::{Epoch, FactRow, LeaseName, TOLD_ALONE};

/// Fails where another one has the lease.
const FENCE: &str = "SELECT fence($1, $2)";

/// A fact that is written again comes again to those who follow.
const FACTS: &str = "WITH numbered AS (
        UPDATE numbers SET last = last + $5 WHERE name = 'facts' RETURNING last - $5 AS base
    )
    INSERT INTO facts (region, key, number, json, well, written)
    SELECT $1, given.key, base + at, given.json, given.well, clock_timestamp()
    FROM numbered CROSS JOIN unnest($2::text[], $3::text[], $4::boolean[]) WITH ORDINALITY AS given (key, json, well, at)
    ORDER BY given.key
    ON CONFLICT (region, key) DO UPDATE SET number = excluded.number, json = excluded.json, well = excluded.well,
        written = excluded.written";

/// That the leases are still held under which the transaction writes: the region's, and the evaluator's of this epoch.
pub(super) fn fences<'a>(fence: &Fence, evaluator: Option<Epoch>) -> Vec<Statement<'a>> {
    let region = fence.held().map(|epoch| (LeaseName::Region(fence.region().clone()), epoch));
    let evaluator = evaluator.map(|epoch| (LeaseName::Evaluator, epoch));
    let of =
        |(name, epoch): (LeaseName, Epoch)| Statement::new(FENCE).with(name.to_string(), Type::TEXT).with(epoch.0, Type::INT8);
    region.into_iter().chain(evaluator).map(of).collect()
}

/// Facts of this region.
pub(super) fn facts<'b>(backlog: &'b Backlog, region: &'b str) -> Vec<Statement<'b>> {
    let mut facts: Vec<&FactRow> = backlog.facts.values().collect();
    // Who evaluates reads them in pages, and rings nobody for a fact that was told already.
    facts.sort_by_key(|row| !row.key.starts_with(TOLD_ALONE));
    if facts.is_empty() {
        return Vec::new();
    }
    let statement = Statement::new(FACTS)
        .with(plain(region), Type::TEXT)
        .with(facts.iter().map(|row| plain(&row.key)).collect::<Vec<_>>(), Type::TEXT_ARRAY)
        .with(facts.iter().map(|row| row.json.as_deref().map(plain)).collect::<Vec<_>>(), Type::TEXT_ARRAY)
        .with(facts.iter().map(|row| row.well).collect::<Vec<_>>(), Type::BOOL_ARRAY)
        .with(i64::try_from(facts.len()).unwrap_or(i64::MAX), Type::INT8);
    vec![lock_numbers(), statement]
}
