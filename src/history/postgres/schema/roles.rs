//! The SQL by which an administrator divides what is done in the database among roles, as `serinus store roles` prints it.
//!
//! Owns the names of the roles and whom row-level security binds to which region. What a role may do with which table stands in the
//! schema (`apply_roles`), as it changes with the tables. Nothing here is sent to a database by the program itself: it needs the
//! rights of an administrator, which no service has.
//!
//! One more role is a column `may` of the table `roles`, a part of `apply_roles`, and a name here.

use std::collections::BTreeSet;

use super::{LOCK, ROLES_TABLE};

/// The text, with places in braces.
const TEXT: &str = include_str!("roles.sql");

/// Bytes of a name that PostgreSQL keeps.
const LONGEST: usize = 63;

/// The names of the roles, which are groups that nobody logs in as, and the regions that have logins of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRoles {
    /// Owns the tables.
    pub migrate: String,
    /// Reads and writes rows.
    pub run: String,
    /// Reads what happened.
    pub read: String,
    /// What the processes of the fleet are called that may each write only what is of their region; empty without row-level security.
    pub regions: Vec<String>,
}

/// Why there is no SQL for these roles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreRolesError {
    /// A name that would have to be quoted everywhere, or that is too long.
    #[error(
        "`{0}` is no name for a role: it has small letters, digits and `_`, at most {LONGEST}, begins with a letter and not with `pg_`"
    )]
    Name(String),
    /// Two roles would be one.
    #[error("two roles would be called `{0}`: give other names")]
    Twice(String),
    /// A region without a name.
    #[error("a region has an empty name")]
    Region,
}

impl StoreRoles {
    /// The SQL that makes the roles, or changes them to be like this.
    ///
    /// # Errors
    /// Where a name cannot be a role's, or two roles had the same.
    pub fn sql(&self) -> Result<String, StoreRolesError> {
        let logins = self.logins()?;
        let mut known = BTreeSet::new();
        for name in [&self.migrate, &self.run, &self.read].into_iter().chain(logins.iter().map(|(name, _)| name)) {
            if !is_name(name) {
                return Err(StoreRolesError::Name(name.clone()));
            }
            if !known.insert(name) {
                return Err(StoreRolesError::Twice(name.clone()));
            }
        }
        let rows = [format!("    ('{}', 'run', NULL)", self.run), format!("    ('{}', 'read', NULL)", self.read)];
        let bound = logins.iter().map(|(name, region)| format!("    ('{name}', 'run', '{}')", region.replace('\'', "''")));
        let rows = rows.into_iter().chain(bound).collect::<Vec<_>>().join(",\n");
        // What is given is put in last, so that no place is looked for in it.
        Ok(TEXT
            .replace("{table}", ROLES_TABLE)
            .replace("{lock}", &LOCK.to_string())
            .replace("{logins}", &self.logins_sql(&logins))
            .replace("{migrate}", &self.migrate)
            .replace("{run}", &self.run)
            .replace("{read}", &self.read)
            .replace("{rows}", &rows))
    }

    /// The login of each region, with the region.
    fn logins(&self) -> Result<Vec<(String, &str)>, StoreRolesError> {
        let login = |region: &str| {
            let plain = |character: char| if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '_' };
            format!("{}_{}", self.run, region.chars().map(plain).collect::<String>())
        };
        if self.regions.iter().any(String::is_empty) {
            return Err(StoreRolesError::Region);
        }
        Ok(self.regions.iter().map(|region| (login(region), &**region)).collect())
    }

    fn logins_sql(&self, logins: &[(String, &str)]) -> String {
        let Some((first, _)) = logins.first() else { return String::new() };
        let names = logins.iter().map(|(name, _)| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        let run = &self.run;
        format!(
            "\n-- Row-level security: the processes of each region log in as a role of their own, and write nothing of another region. They \
             have no\n-- passwords yet: `\\password {first}` in psql.\nDO $$\nDECLARE\n    one text;\nBEGIN\n    \
             FOREACH one IN ARRAY ARRAY[{names}] LOOP\n        \
             IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = one) THEN\n            \
             EXECUTE format('CREATE ROLE %I LOGIN', one);\n        END IF;\n        \
             EXECUTE format('GRANT {run} TO %I', one);\n    END LOOP;\nEND $$;\n"
        )
    }
}

/// Whether it is a name that means itself without quotes.
fn is_name(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    letters && name.starts_with(|first: char| first.is_ascii_lowercase()) && !name.starts_with("pg_") && name.len() <= LONGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(regions: &[&str]) -> StoreRoles {
        let [migrate, run, read] = ["serinus_migrate", "serinus_run", "serinus_read"].map(str::to_owned);
        StoreRoles { migrate, run, read, regions: regions.iter().map(|region| (*region).to_owned()).collect() }
    }

    #[test]
    fn the_file_of_the_fleet_in_docker_is_what_the_command_prints() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docker/fleet/roles.sql");
        let printed = roles(&[]).sql().unwrap();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &printed).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), printed, "`serinus store roles` writes it, or UPDATE=1 here");
    }

    #[test]
    fn every_place_is_filled_and_a_region_is_a_text_whatever_is_in_it() {
        let text = roles(&["eu", "eu+us", "it's {run}"]).sql().unwrap();
        for line in ["    ('serinus_run_eu', 'run', 'eu'),", "    ('serinus_run_eu_us', 'run', 'eu+us'),"] {
            assert!(text.lines().any(|found| found == line), "{text}");
        }
        assert!(text.contains("('serinus_run_it_s__run_', 'run', 'it''s {run}')"), "{text}");
        assert!(!roles(&[]).sql().unwrap().contains(['{', '}']), "{}", roles(&[]).sql().unwrap());
    }

    #[test]
    fn names_that_would_have_to_be_quoted_and_roles_that_would_be_one_are_refused() {
        for name in ["", "Serinus", "a-b", "1a", "pg_a", "a'b", &"a".repeat(64)] {
            let refused = StoreRoles { read: name.to_owned(), ..roles(&[]) }.sql();
            assert_eq!(refused, Err(StoreRolesError::Name(name.to_owned())));
        }
        assert_eq!(roles(&["eu+us", "eu-us"]).sql(), Err(StoreRolesError::Twice("serinus_run_eu_us".to_owned())));
        let one = StoreRoles { read: "serinus_run".to_owned(), ..roles(&[]) };
        assert_eq!(one.sql(), Err(StoreRolesError::Twice("serinus_run".to_owned())));
        assert_eq!(roles(&[""]).sql(), Err(StoreRolesError::Region));
    }
}
