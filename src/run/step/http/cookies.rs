//! The cookies of one device in one run, bounded by the minimum capabilities of RFC 6265 (section 6.1), so that a target that
//! sets cookies without end cannot fill the memory.
//!
//! `cookie_store` decides which cookie is for whom. This file bounds their number and size and decides which is dropped first.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use cookie_store::{Cookie, CookieStore, StoreAction};
use http::HeaderValue;
use reqwest::Url;

/// Bytes of a cookie's name and value together, and of its attributes.
const LARGEST: usize = 4096;

/// Cookies of one domain.
const OF_A_DOMAIN: usize = 50;

/// Cookies in all.
const IN_ALL: usize = 3000;

/// Bytes of the header that is sent. Common servers take 8 to 16 KiB.
const SENT: usize = 16 << 10;

/// A device's cookies.
#[derive(Debug, Default)]
pub(super) struct Cookies(Mutex<CookieJar>);

#[derive(Debug, Default)]
struct CookieJar {
    store: CookieStore,
    /// Every cookie in the store.
    known: HashMap<Key, Uses>,
    /// A logical clock: it counts operations.
    clock: u64,
}

/// What tells one cookie from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    domain: String,
    path: String,
    name: String,
}

#[derive(Debug, Clone, Copy)]
struct Uses {
    created: u64,
    last: u64,
}

impl Key {
    fn of(cookie: &Cookie<'_>) -> Self {
        Self { domain: (&cookie.domain).into(), path: (&cookie.path).into(), name: cookie.name().to_owned() }
    }
}

impl Cookies {
    fn jar(&self) -> MutexGuard<'_, CookieJar> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl reqwest::cookie::CookieStore for Cookies {
    fn set_cookies(&self, headers: &mut dyn Iterator<Item = &HeaderValue>, url: &Url) {
        let mut jar = self.jar();
        for header in headers {
            if let Some(text) = std::str::from_utf8(header.as_bytes()).ok().filter(|text| is_small(text)) {
                jar.set(text, url);
            }
        }
    }

    fn cookies(&self, url: &Url) -> Option<HeaderValue> {
        self.jar().header(url)
    }
}

/// Whether a `Set-Cookie` is of a size that is kept.
fn is_small(text: &str) -> bool {
    let (pair, attributes) = text.split_once(';').unwrap_or((text, ""));
    pair.len() <= LARGEST && attributes.len() <= LARGEST
}

impl CookieJar {
    fn set(&mut self, text: &str, url: &Url) {
        // What is no cookie, or one for somebody else, is left out as browsers do.
        let Ok(cookie) = Cookie::parse(text.to_owned(), url) else { return };
        let key = Key::of(&cookie);
        self.clock += 1;
        match self.store.insert(cookie.into_owned(), url) {
            Ok(StoreAction::Inserted | StoreAction::UpdatedExisting) => {
                let now = self.clock;
                self.known.entry(key.clone()).or_insert(Uses { created: now, last: now }).last = now;
                self.make_room(&key.domain);
            }
            Ok(StoreAction::ExpiredExisting) => self.remove(&key),
            Err(_) => {}
        }
    }

    /// Removes what is too much: what has expired, then what was not used for the longest time.
    fn make_room(&mut self, domain: &str) {
        let of_domain = |jar: &Self| jar.known.keys().filter(|key| key.domain == domain).count();
        if of_domain(self) <= OF_A_DOMAIN && self.known.len() <= IN_ALL {
            return;
        }
        let is_gone = |key: &&Key| !self.store.contains(&key.domain, &key.path, &key.name);
        for key in self.known.keys().filter(is_gone).cloned().collect::<Vec<_>>() {
            self.remove(&key);
        }
        while of_domain(self) > OF_A_DOMAIN {
            self.remove_oldest(|key| key.domain == domain);
        }
        while self.known.len() > IN_ALL {
            self.remove_oldest(|_| true);
        }
    }

    fn remove_oldest(&mut self, among: impl Fn(&Key) -> bool) {
        let oldest = self.known.iter().filter(|(key, _)| among(key)).min_by_key(|(_, uses)| uses.last);
        if let Some(key) = oldest.map(|(key, _)| key.clone()) {
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &Key) {
        self.store.remove(&key.domain, &key.path, &key.name);
        self.known.remove(key);
    }

    /// What is sent to `url`: longer paths first, then older cookies (RFC 6265, section 5.4), as far as there is room.
    fn header(&mut self, url: &Url) -> Option<HeaderValue> {
        if self.known.is_empty() {
            return None;
        }
        self.clock += 1;
        let mut cookies: Vec<_> = self.store.matches(url).into_iter().map(|cookie| (Key::of(cookie), cookie)).collect();
        let created = |key: &Key| self.known.get(key).map_or(0, |uses| uses.created);
        cookies.sort_by_cached_key(|(key, _)| (std::cmp::Reverse(key.path.len()), created(key)));
        let mut header = String::new();
        for (key, cookie) in cookies {
            let (name, value) = cookie.name_value();
            if header.len() + name.len() + value.len() + "; =".len() > SENT {
                continue;
            }
            if !header.is_empty() {
                header.push_str("; ");
            }
            header.extend([name, "=", value]);
            if let Some(uses) = self.known.get_mut(&key) {
                uses.last = self.clock;
            }
        }
        if header.is_empty() { None } else { HeaderValue::from_maybe_shared(Bytes::from(header)).ok() }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::cookie::CookieStore as _;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn set(cookies: &Cookies, at: &str, text: &str) {
        cookies.set_cookies(&mut [HeaderValue::from_str(text).unwrap()].iter(), &url(at));
    }

    fn sent(cookies: &Cookies, to: &str) -> String {
        cookies.cookies(&url(to)).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    #[test]
    fn a_flood_leaves_fifty_cookies_of_a_domain_and_those_used_last() {
        let cookies = Cookies::default();
        set(&cookies, "https://one.test/", "other=1");
        for number in 0..500 {
            set(&cookies, "https://flood.test/", &format!("c{number}=x"));
            if number == 0 {
                continue;
            }
            // What is sent again and again is in use.
            if number % 40 == 0 {
                set(&cookies, "https://flood.test/", "session=1");
            }
        }
        let sent_back = sent(&cookies, "https://flood.test/");
        let names: Vec<&str> = sent_back.split("; ").collect();
        assert_eq!(names.len(), OF_A_DOMAIN);
        assert!(names.contains(&"c499=x") && names.contains(&"session=1") && !names.contains(&"c0=x"), "{names:?}");
        assert_eq!(sent(&cookies, "https://one.test/"), "other=1");
    }

    #[test]
    fn many_domains_leave_three_thousand_cookies_in_all() {
        let cookies = Cookies::default();
        for domain in 0..70 {
            for number in 0..OF_A_DOMAIN {
                set(&cookies, &format!("https://d{domain}.test/"), &format!("c{number}=x"));
            }
        }
        assert_eq!(cookies.jar().known.len(), IN_ALL);
        assert_eq!(cookies.jar().store.iter_any().count(), IN_ALL);
        assert_eq!(sent(&cookies, "https://d0.test/"), "");
        assert_eq!(sent(&cookies, "https://d69.test/").split("; ").count(), OF_A_DOMAIN);
    }

    #[test]
    fn what_is_too_large_is_not_kept_and_the_header_has_a_bound() {
        let cookies = Cookies::default();
        set(&cookies, "https://a.test/", &format!("fits={}", "x".repeat(LARGEST - 5)));
        set(&cookies, "https://a.test/", &format!("large={}", "x".repeat(LARGEST - 5)));
        set(&cookies, "https://a.test/", &format!("odd=1; path=/{}", "x".repeat(LARGEST)));
        assert_eq!(cookies.jar().known.len(), 1);
        for number in 0..10 {
            set(&cookies, "https://a.test/", &format!("c{number}={}", "x".repeat(4000)));
        }
        let header = sent(&cookies, "https://a.test/");
        assert!(header.len() <= SENT && header.len() > SENT - 4200, "{}", header.len());
        assert!(header.starts_with("fits="), "older ones go first");
    }

    #[test]
    fn longer_paths_go_first_and_what_is_taken_back_is_gone() {
        let cookies = Cookies::default();
        set(&cookies, "https://a.test/", "one=1; Path=/");
        set(&cookies, "https://a.test/", "two=2; Path=/deep");
        set(&cookies, "https://a.test/", "three=3; Path=/");
        assert_eq!(sent(&cookies, "https://a.test/deep/x"), "two=2; one=1; three=3");
        set(&cookies, "https://a.test/", "one=; Max-Age=0; Path=/");
        assert_eq!(sent(&cookies, "https://a.test/deep/x"), "two=2; three=3");
        assert_eq!(cookies.jar().known.len(), 2);
        set(&cookies, "https://a.test/", "four=4; Domain=b.test");
        set(&cookies, "https://a.test/", "five=5; Secure");
        assert_eq!(sent(&cookies, "http://a.test/"), "three=3");
        assert_eq!(sent(&cookies, "https://b.test/"), "");
    }
}
