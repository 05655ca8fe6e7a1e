//! The dashboard in a real Chromium, as people meet it: on a desk, a phone and a wall, dark and light, by keys alone, without
//! JavaScript, live, and with names that try to be more than names.
//!
//! Owns the browser (`chromium`, `browser`), the service that is looked at (`site`) and axe-core (`axe`). What a page says is tested
//! beside its code; here stands only what needs a browser. Chromium, chromedriver and axe-core that cannot be had are a failed
//! test. `--ignored` goes through every page on every screen, see `matrix`.
//!
//! A new page is met without a line here where another one links to it: `site` follows the links.

mod acting;
mod axe;
mod browser;
mod by_hand;
mod chromium;
mod headers;
mod hostile;
mod keyboard;
mod live;
mod matrix;
mod overview;
mod phone;
mod site;
mod status_page;
mod without_scripts;
