//! The rules in force, and the search for the caller of a call.

use super::AccessProblem;
use super::caller::{Authenticated, Caller, CallerCounters, Denied};
use super::identity::PeerIdentity;
use super::looks::Looks;
use super::permission::Permission;
use super::rules::Rules;
use super::token::{TokenHash, hash_of};
use crate::clock::time_of_day;
use crate::watched_file::{Stamp, stamp};
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::watch;
use tonic::codegen::http::HeaderMap;
use tonic::codegen::http::header::AUTHORIZATION;

/// Where the rules are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessFiles {
    /// The callers and what they may do.
    pub access: PathBuf,
    /// The tokens; `None` if no caller has one.
    pub tokens: Option<PathBuf>,
    /// Whether callers can show certificates.
    pub has_certificates: bool,
}

/// Who is in which group: what the rules say of groups changes with them.
const USERS_AND_GROUPS: [&str; 2] = ["/etc/passwd", "/etc/group"];

/// Knows who may call and what each caller may do, as the files say at present. Clones share it.
#[derive(Clone)]
pub struct Authorizer(Arc<State>);

struct State {
    files: AccessFiles,
    /// The files, before they were read at the start.
    seen: Vec<Stamp>,
    in_use: RwLock<Arc<Rules>>,
    /// Counts the changes of the rules.
    generation: watch::Sender<u64>,
    /// The same, for those who only look.
    latest: AtomicU64,
    /// Of all callers, over all changes.
    counters: Mutex<HashMap<String, Arc<CallerCounters>>>,
    /// Whether the files, as they are now, can't be used.
    is_stale: watch::Sender<bool>,
    looks: Looks,
    unauthenticated: AtomicU64,
}

/// What was read from the files.
pub(crate) struct Loaded(Rules);

/// By what a caller was found, to find it again.
#[derive(Clone, Debug)]
pub(super) enum Credential {
    Token(TokenHash),
    Peer(Arc<PeerIdentity>),
}

impl AccessFiles {
    fn stamps(&self) -> Vec<Stamp> {
        let files = std::iter::once(&self.access).chain(&self.tokens).map(PathBuf::as_path);
        files.chain(USERS_AND_GROUPS.map(Path::new)).map(stamp).collect()
    }
}

impl Authorizer {
    /// Reads the files. Each later change of them is followed while the server runs.
    pub fn load(files: AccessFiles) -> Result<Self, AccessProblem> {
        // Before the files are read: what changes meanwhile is noticed.
        let seen = files.stamps();
        let mut counters = HashMap::new();
        let rules = Rules::load(&files, &mut counters)?;
        Ok(Self(Arc::new(State {
            files,
            seen,
            in_use: RwLock::new(Arc::new(rules)),
            generation: watch::Sender::new(0),
            latest: AtomicU64::new(0),
            counters: Mutex::new(counters),
            is_stale: watch::Sender::new(false),
            looks: Looks::new(),
            unauthenticated: AtomicU64::new(0),
        })))
    }

    /// Finds the caller of a call by its headers, or else by what is known of its connection. A token that nobody knows may have been
    /// made since the files were read: before it is refused, they are looked at once more, which takes some milliseconds. The call
    /// stays for that only if `stay` returns what keeps it a place.
    ///
    /// # Errors
    /// Nothing tells who calls, or its token does not hold; which is logged and counted.
    pub async fn authenticate<P>(
        &self,
        peer: &Arc<PeerIdentity>,
        headers: &HeaderMap,
        stay: impl FnOnce() -> Option<P>,
    ) -> Result<Caller, Denied> {
        let credential = token_in(headers).map(|token| match token {
            Some(token) => Credential::Token(hash_of(token)),
            None => Credential::Peer(Arc::clone(peer)),
        });
        let found = match credential {
            Ok(credential) => self.find_or_look(&credential, stay).await,
            Err(denied) => Err(denied),
        };
        found.inspect_err(|denied| self.note(denied, peer.address))
    }

    /// Finds a caller, after another look at the files if need be.
    async fn find_or_look<P>(
        &self,
        credential: &Credential,
        stay: impl FnOnce() -> Option<P>,
    ) -> Result<Caller, Denied> {
        let found = self.find(credential);
        if !matches!(found, Err(Denied::Token)) {
            return found;
        }
        let Some(_place) = stay() else { return found };
        // On the heap: hardly any call needs it.
        Box::pin(self.0.looks.next()).await;
        self.find(credential)
    }

    /// Finds the caller of an open stream again.
    pub(super) fn authenticate_again(&self, credential: &Credential) -> Result<Caller, Denied> {
        self.find(credential).inspect_err(|denied| self.note(denied, None))
    }

    fn note(&self, denied: &Denied, from: Option<SocketAddr>) {
        self.0.unauthenticated.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(%denied, from = from.map(tracing::field::display), "a call was not let in");
    }

    fn find(&self, credential: &Credential) -> Result<Caller, Denied> {
        // Read first: with rules that are newer than that, the caller is only looked for once more.
        let generation = self.generation();
        let rules = self.rules();
        let (known, expires) = match credential {
            Credential::Token(hash) => {
                let owner = rules.of_token(hash).ok_or(Denied::Token)?;
                if owner.expires.is_some_and(|expires| expires <= time_of_day()) {
                    return Err(Denied::Token);
                }
                (&owner.caller, owner.expires)
            }
            Credential::Peer(peer) => (rules.of_peer(peer).ok_or(Denied::Unknown)?, None),
        };
        Ok(Caller::found(Authenticated {
            authorizer: self.clone(),
            credential: credential.clone(),
            generation,
            known: Arc::clone(known),
            expires,
        }))
    }

    /// Counts the changes of the rules.
    pub(super) fn generation(&self) -> u64 {
        self.0.latest.load(Ordering::Acquire)
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.0.generation.subscribe()
    }

    /// Whether the files, as they are now, can't be used: the rules in force are older.
    #[must_use]
    pub fn staleness(&self) -> watch::Receiver<bool> {
        self.0.is_stale.subscribe()
    }

    pub(crate) fn mark_stale(&self) {
        self.0.is_stale.send_replace(true);
    }

    /// The files as they were before they were read at the start.
    pub(crate) fn seen(&self) -> Vec<Stamp> {
        self.0.seen.clone()
    }

    /// Waits until a call wants the files to be looked at.
    pub(crate) async fn look_wanted(&self) {
        self.0.looks.wanted().await;
    }

    /// Tells those who wait for a look that one begins.
    pub(crate) fn begin_look(&self) {
        self.0.looks.begin();
    }

    /// Tells them that it has ended.
    pub(crate) fn end_look(&self) {
        self.0.looks.end();
    }

    /// The files as they are now.
    pub(crate) fn stamps(&self) -> Vec<Stamp> {
        self.0.files.stamps()
    }

    /// Reads the files again.
    pub(crate) fn read(&self) -> Result<Loaded, AccessProblem> {
        let mut counters = self.0.counters.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Loaded(Rules::load(&self.0.files, &mut counters)?))
    }

    /// Puts the rules in force that were read.
    pub(crate) fn put_in_force(&self, loaded: Loaded) {
        *self.0.in_use.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded.0);
        let generation = self.0.latest.fetch_add(1, Ordering::Release) + 1;
        self.0.generation.send_replace(generation);
        self.0.is_stale.send_replace(false);
    }

    /// How many calls came from nobody who is known.
    #[must_use]
    pub fn unauthenticated(&self) -> u64 {
        self.0.unauthenticated.load(Ordering::Relaxed)
    }

    /// How many calls were denied, by the names of callers and by permissions; none that was never denied.
    #[must_use]
    pub fn denials(&self) -> Vec<(String, Permission, u64)> {
        let rules = self.rules();
        let all = rules.callers().flat_map(|known| Permission::ALL.map(|permission| (known, permission)));
        let counted =
            all.map(|(known, permission)| (known.name.clone(), permission, known.counters.denied(permission)));
        counted.filter(|(_, _, denied)| *denied > 0).collect()
    }

    /// How many look-ups of sessions failed, by the names of callers.
    #[must_use]
    pub fn failed_lookups(&self) -> Vec<(String, u64)> {
        self.rules().callers().map(|known| (known.name.clone(), known.counters.failed_lookups())).collect()
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.0.in_use.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer").field("files", &self.0.files).finish_non_exhaustive()
    }
}

/// The token of a call (RFC 6750, 2.1).
fn token_in(headers: &HeaderMap) -> Result<Option<&[u8]>, Denied> {
    let mut shown = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = shown.next() else { return Ok(None) };
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len()).ok_or(Denied::Malformed)?;
    if shown.next().is_some() || !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return Err(Denied::Malformed);
    }
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::codegen::http::HeaderValue;

    #[test]
    fn a_token_is_found_in_its_header_alone() {
        let mut headers = HeaderMap::new();
        assert_eq!(token_in(&headers), Ok(None));
        headers.insert(AUTHORIZATION, HeaderValue::from_static("bearer abc"));
        assert_eq!(token_in(&headers), Ok(Some(&b"abc"[..])));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer abd"));
        assert_eq!(token_in(&headers), Err(Denied::Malformed));
        for other in ["Basic abcdefgh", "Bearer", ""] {
            headers.insert(AUTHORIZATION, HeaderValue::from_static(other));
            assert_eq!(token_in(&headers), Err(Denied::Malformed), "{other}");
        }
    }
}
