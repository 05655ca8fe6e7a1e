//! What a request brings: a JSON object, and nothing else that its fields could be read from.

use std::fmt;
use std::marker::PhantomData;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The body of a request.
#[derive(Debug)]
pub(in crate::web) struct Body<T>(pub(in crate::web) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = JsonRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, JsonRejection> {
        let Json(Object(body)) = Json::<Object<T>>::from_request(request, state).await?;
        Ok(Self(body))
    }
}

/// A type that is read from an object. What serde derives would take a list too, its items for the fields in their order.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Request {
        by: Option<String>,
        seconds: Option<f64>,
    }

    fn read(text: &str) -> Result<Request, String> {
        serde_json::from_str::<Object<Request>>(text).map(|Object(request)| request).map_err(|error| error.to_string())
    }

    #[test]
    fn a_body_is_an_object_and_no_list_of_its_fields() {
        let request = read(r#"{"by": "ann", "seconds": 1.5}"#).unwrap();
        assert_eq!((request.by.as_deref(), request.seconds), (Some("ann"), Some(1.5)));
        for wrong in ["[null, null]", "[\"ann\"]", "null", "\"ann\"", "1", "[]"] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains("expected a JSON object"), "{wrong}: {error}");
        }
        assert!(read(r#"{"bye": "ann"}"#).unwrap_err().contains("bye"));
    }
}
