//! Which names are tried for what was written: `ndots`, `search` and the closing dot of resolv.conf(5).

use std::net::IpAddr;

use hickory_proto::rr::Name;

use super::settings::Settings;
use super::{Unresolved, addresses};

/// The addresses of the first name that has some.
pub(super) async fn resolve(host: &str, settings: &Settings) -> Result<Vec<IpAddr>, Unresolved> {
    let mut said: Option<Unresolved> = None;
    for name in candidates(host, settings)? {
        match addresses::ask(&name, settings).await {
            Ok(addresses) => return Ok(addresses),
            Err(error @ Unresolved::Refused(..)) => said = Some(error),
            // A name that is not there says less than a server that could not tell.
            Err(error @ (Unresolved::NoSuchName(_) | Unresolved::NoAddress(_))) => said = said.or(Some(error)),
            // Silence about one name must not lead to another.
            Err(error) => return Err(error),
        }
    }
    Err(said.unwrap_or_else(|| Unresolved::NoName("it is too long".to_owned())))
}

/// Names to try, in order.
fn candidates(host: &str, settings: &Settings) -> Result<Vec<Name>, Unresolved> {
    let mut alone = Name::from_ascii(host).map_err(|error| Unresolved::NoName(error.to_string()))?;
    if alone.num_labels() == 0 {
        return Err(Unresolved::NoName("it is empty".to_owned()));
    }
    if alone.is_fqdn() {
        return Ok(vec![alone]);
    }
    // What would be too long with a suffix is no name.
    let mut names: Vec<Name> = settings.search.iter().filter_map(|suffix| alone.clone().append_domain(suffix).ok()).collect();
    alone.set_fqdn(true);
    let enough_dots = host.matches('.').count() >= settings.ndots;
    names.insert(if enough_dots { 0 } else { names.len() }, alone);
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_list_comes_before_or_after_the_name_alone_by_its_dots_and_never_after_a_closing_dot() {
        let tried = |host: &str, ndots: usize| {
            let settings = Settings::parse(&format!("search a.test b.test\noptions ndots:{ndots}"), "", 53);
            candidates(host, &settings).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(tried("db", 1), ["db.a.test.", "db.b.test.", "db."]);
        assert_eq!(tried("db.x", 1), ["db.x.", "db.x.a.test.", "db.x.b.test."]);
        assert_eq!(tried("db.x", 5), ["db.x.a.test.", "db.x.b.test.", "db.x."]);
        assert_eq!(tried("db.x.", 5), ["db.x."]);
        assert!(candidates("", &Settings::parse("", "", 53)).is_err());
        assert!(candidates(&"a".repeat(64), &Settings::parse("", "", 53)).is_err());
    }
}
