//! Tests of incidents.
