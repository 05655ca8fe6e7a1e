//! Lists and maps that know how much hangs below them.
//!
//! Values are shared, not copied. So `[a, a]`, nested in itself twenty-five times, takes no memory, but a walk over it meets thirty
//! million items. Therefore each container gets its size when it is made, with shared items counted each time they occur. An
//! expression may make nothing larger than [`MAX_SIZE`] or deeper than [`MAX_DEPTH`], so every walk over a value is bounded in
//! stack and time. A value from JSON is as large as its text and is never refused.

use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectExt as _, ObjectRepr, ValueKind};

/// Items and bytes of text that a value made by an expression may hold, all levels together.
pub(super) const MAX_SIZE: u32 = 8 << 20;

/// Levels that a value made by an expression may have. JSON that was read from text has at most 128.
const MAX_DEPTH: u32 = 200;

/// Levels of containers from elsewhere (headers, facts of the run) that are looked through.
const FOREIGN_DEPTH: u32 = 8;

/// How much hangs below a value.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    size: u32,
    depth: u32,
}

impl Weight {
    const TOO_MUCH: Self = Self { size: u32::MAX, depth: 0 };

    fn of(value: &Value) -> Self {
        Self::below(value, 0)
    }

    fn below(value: &Value, level: u32) -> Self {
        let container = match value.kind() {
            ValueKind::String | ValueKind::Bytes => return Self::of_bytes(value.as_bytes().map_or(0, <[u8]>::len)),
            ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => value,
            _ => return Self::of_bytes(0),
        };
        if let Some(list) = container.downcast_object_ref::<List>() {
            return list.weight;
        }
        if let Some(map) = container.downcast_object_ref::<Map>() {
            return map.weight;
        }
        if level == FOREIGN_DEPTH {
            return Self::TOO_MUCH;
        }
        let Ok(items) = container.try_iter() else { return Self::of_bytes(0) };
        let is_map = container.kind() == ValueKind::Map;
        Self::sum(items.map(|item| {
            let below = if is_map { container.get_item(&item).ok() } else { None };
            let own = Self::below(&item, level + 1);
            below.map_or(own, |below| own.beside(Self::below(&below, level + 1)))
        }))
    }

    fn of_bytes(bytes: usize) -> Self {
        Self { size: u32::try_from(bytes).unwrap_or(u32::MAX).saturating_add(1), depth: 0 }
    }

    fn beside(self, other: Self) -> Self {
        Self { size: self.size.saturating_add(other.size), depth: self.depth.max(other.depth) }
    }

    /// That of a container with such items.
    fn sum(items: impl Iterator<Item = Self>) -> Self {
        let all = items.fold(Self { size: 1, depth: 0 }, Self::beside);
        Self { depth: all.depth + 1, ..all }
    }

    fn allowed(self) -> Result<Self, String> {
        if self.size > MAX_SIZE {
            return Err(format!("it would hold more than {MAX_SIZE} items and bytes of text, all levels together"));
        }
        if self.depth > MAX_DEPTH {
            return Err(format!("it would have more than {MAX_DEPTH} levels"));
        }
        Ok(self)
    }
}

/// A list.
#[derive(Debug)]
pub(super) struct List {
    pub(super) items: Vec<Value>,
    weight: Weight,
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.items.get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.items.len())
    }
}

/// A map, in the order in which its keys came.
#[derive(Debug)]
struct Map {
    entries: IndexMap<Value, Value>,
    weight: Weight,
}

impl Object for Map {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.entries.get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.mapped_enumerator(|map| Box::new(map.entries.keys().cloned()))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// A list that an expression or a loop makes of values.
///
/// # Errors
/// If it would hold too much, all levels together, or have too many of them.
pub fn list(items: Vec<Value>) -> Result<Value, String> {
    let weight = Weight::sum(items.iter().map(Weight::of)).allowed()?;
    Ok(Value::from_object(List { items, weight }))
}

/// A map that an expression makes; of equal keys the last one counts.
pub(super) fn map(pairs: impl IntoIterator<Item = (Value, Value)>) -> Result<Value, String> {
    let entries: IndexMap<Value, Value> = pairs.into_iter().collect();
    let weight = weight_of(&entries).allowed()?;
    Ok(Value::from_object(Map { entries, weight }))
}

fn weight_of(entries: &IndexMap<Value, Value>) -> Weight {
    Weight::sum(entries.iter().map(|(key, value)| Weight::of(key).beside(Weight::of(value))))
}

/// A list that was read.
pub(super) fn list_read(items: Vec<Value>) -> Value {
    let weight = Weight::sum(items.iter().map(Weight::of));
    Value::from_object(List { items, weight })
}

/// A map that was read.
pub(super) fn map_read(entries: IndexMap<Value, Value>) -> Value {
    let weight = weight_of(&entries);
    Value::from_object(Map { entries, weight })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{here, scope};
    use super::super::{Expression, json_text};
    use super::*;

    /// `[v, v]` (or another expression) made of itself so often, until it is refused.
    fn made_of_itself(source: &str, most: usize) -> (usize, String) {
        let expression = Expression::parse(source, here()).unwrap();
        let mut value = Value::from("x");
        for round in 0..most {
            match expression.eval(&Value::from_pairs([("v", value.clone())])) {
                Ok(next) => value = next,
                Err(error) => return (round, error.message),
            }
        }
        (most, String::new())
    }

    #[test]
    fn what_is_shared_counts_as_often_as_it_is_there() {
        for source in [
            "[v, v]",
            "{'a': v, 'b': v}",
            "[v] * 2",
            "[v] + [v]",
            "[[v, v]] | map('list') | list",
            "[{'k': v, 'l': v}] | map('items') | list",
        ] {
            let (rounds, why) = made_of_itself(source, 60);
            assert!(rounds < 24, "{source} was made {rounds} times");
            assert!(why.contains("all levels together") || why.contains("costs more"), "{source}: {why}");
        }
    }

    #[test]
    fn a_value_made_of_itself_again_and_again_has_an_end_before_the_stack_has() {
        let (rounds, why) = made_of_itself("[v]", 100_000);
        assert!(rounds <= 200 && why.contains("levels"), "{rounds}: {why}");
        let (rounds, why) = made_of_itself("{'k': v}", 100_000);
        assert!(rounds <= 200 && why.contains("levels"), "{rounds}: {why}");
    }

    #[test]
    fn containers_of_others_are_looked_through() {
        let text = "x".repeat(1 << 20);
        let headers = Value::from_pairs([("a", text)]);
        assert!(list(vec![headers.clone(); 7]).is_ok());
        assert!(list(vec![headers; 8]).is_err());
        let mut deep = Value::from(1);
        for _ in 0..100 {
            deep = Value::from(vec![deep]);
        }
        assert!(list(vec![deep]).is_err());
    }

    #[test]
    fn an_answer_is_never_too_large_to_be_held() {
        let large = serde_json::Value::from(vec![serde_json::Value::from("x".repeat(1 << 20)); 20]);
        let held = super::super::from_json(&large);
        assert_eq!(held.len(), Some(20));
        assert!(list(vec![held]).is_err());
    }

    #[test]
    fn lists_and_maps_are_the_languages_own() {
        let map = scope(r#"{"b": [1, {"c": null}], "a": "x"}"#);
        assert_eq!(map.kind(), ValueKind::Map);
        assert_eq!(map.get_attr("b").unwrap().kind(), ValueKind::Seq);
        assert_eq!(map.get_attr("z").unwrap(), Value::UNDEFINED);
        assert_eq!(map.len(), Some(2));
        assert_eq!(json_text(&map, 100).unwrap(), r#"{"b":[1,{"c":null}],"a":"x"}"#);
        assert_eq!(list(vec![1.into(), 2.into()]).unwrap(), Value::from(vec![1, 2]));
    }
}
