//! The accounts, in memory: only the sessions are the example.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher as _, PasswordVerifier as _};
use argon2::{Argon2, RECOMMENDED_SALT_LEN};

const SHORTEST_PASSWORD: usize = 8;
const LONGEST_NAME: usize = 64;
const MOST_USERS: usize = 10_000;

/// The accounts by their names; each has the hash of a password.
#[derive(Default)]
pub(crate) struct Users(Mutex<HashMap<String, String>>);

impl Users {
    /// Makes an account. The error says what is wrong, in words for the visitor.
    pub(crate) fn add(&self, name: &str, password: &str) -> Result<(), &'static str> {
        if name.is_empty() || name.len() > LONGEST_NAME {
            return Err("A name has 1 to 64 bytes.");
        }
        let hash = hash(password)?;
        let mut users = self.lock();
        if users.len() >= MOST_USERS {
            return Err("There is no room for more accounts.");
        }
        match users.entry(name.to_owned()) {
            Entry::Occupied(_) => Err("The name is taken."),
            Entry::Vacant(vacant) => {
                vacant.insert(hash);
                Ok(())
            }
        }
    }

    /// Whether this is the password of an account.
    pub(crate) fn knows(&self, name: &str, password: &str) -> bool {
        let stored = self.lock().get(name).cloned();
        let verify = |stored: &str| {
            let stored = PasswordHash::new(stored)?;
            Argon2::default().verify_password(password.as_bytes(), &stored)?;
            password_hash::Result::Ok(())
        };
        if let Some(stored) = stored {
            return verify(&stored).is_ok();
        }
        // It takes as long as for an account that is there.
        let _ = Argon2::default().hash_password_with_salt(password.as_bytes(), &[0; RECOMMENDED_SALT_LEN]);
        false
    }

    /// Gives an account another password. The error says what is wrong.
    pub(crate) fn change(&self, name: &str, password: &str) -> Result<(), &'static str> {
        let hash = hash(password)?;
        self.lock().insert(name.to_owned(), hash);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(password: &str) -> Result<String, &'static str> {
    if password.len() < SHORTEST_PASSWORD {
        return Err("A password has at least 8 characters.");
    }
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|_| "The password can't be kept.")?;
    Ok(hash.to_string())
}
