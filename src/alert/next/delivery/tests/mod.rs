//! Tables and properties of delivery.
