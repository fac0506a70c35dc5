//! The access file: which callers there are, how each is known, and what it may do.

use super::authorizer::AccessFiles;
use super::caller::{CallerCounters, Grants, KnownCaller};
use super::identity::{PeerIdentity, UnixUser};
use super::permission::Permissions;
use super::token::TokenHash;
use super::token_file::{self, TokenEntry};
use super::{AccessProblem, Permission};
use crate::model::{NAMESPACE_RULE, is_namespace};
use crate::watched_file;
use nix::unistd::{Group, User};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

/// The settings that name the files.
pub(super) const ACCESS_FILE: &str = "access-file";
pub(super) const ACCESS_TOKENS: &str = "access-tokens";

/// More callers are a mistake, and their names are labels of metrics.
const MAX_CALLERS: usize = 1_000;

const EVERY_NAMESPACE: &str = "*";

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFile {
    #[serde(default)]
    caller: BTreeMap<String, WrittenCaller>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenCaller {
    #[serde(default)]
    certificates: Vec<String>,
    #[serde(default)]
    users: Vec<NameOrNumber>,
    #[serde(default)]
    groups: Vec<NameOrNumber>,
    #[serde(default)]
    anyone: bool,
    max_calls_per_second: Option<u32>,
    allow: Vec<WrittenRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    namespaces: Vec<String>,
    may: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NameOrNumber {
    Name(String),
    Number(u32),
}

/// What the files say at present.
pub(super) struct Rules {
    callers: Vec<RuledCaller>,
    tokens: HashMap<TokenHash, TokenOwner>,
}

struct RuledCaller {
    caller: Arc<KnownCaller>,
    certificates: Vec<String>,
    users: Vec<u32>,
    groups: Vec<NumberedGroup>,
    is_anyone: bool,
}

struct NumberedGroup {
    gid: u32,
    members: Vec<u32>,
}

#[derive(Clone)]
pub(super) struct TokenOwner {
    pub(super) caller: Arc<KnownCaller>,
    pub(super) expires: Option<SystemTime>,
}

impl Rules {
    /// Reads the files. Callers that were there before go on with their counts.
    pub(super) fn load(
        files: &AccessFiles,
        counters: &mut HashMap<String, Arc<CallerCounters>>,
    ) -> Result<Self, AccessProblem> {
        let entries = files.tokens.as_deref().map_or_else(
            || Ok(Vec::new()),
            |path| token_file::read(path).map_err(|problem| AccessProblem::new(ACCESS_TOKENS, path, problem)),
        )?;
        let callers =
            read_callers(files, counters).map_err(|problem| AccessProblem::new(ACCESS_FILE, &files.access, problem))?;
        let tokens = entries.iter().filter_map(|entry| own(&callers, entry)).collect();
        Ok(Self { callers, tokens })
    }

    /// The owner of the token with this hash.
    pub(super) fn of_token(&self, hash: &TokenHash) -> Option<&TokenOwner> {
        self.tokens.get(hash)
    }

    /// The caller that a peer without a token is.
    pub(super) fn of_peer(&self, peer: &PeerIdentity) -> Option<&Arc<KnownCaller>> {
        let by_certificate = self.callers.iter().find(|caller| caller.has_certificate(peer));
        let by_user = || peer.user.and_then(|user| self.callers.iter().find(|caller| caller.has_user(user)));
        let found = by_certificate.or_else(by_user).or_else(|| self.callers.iter().find(|caller| caller.is_anyone));
        found.map(|found| &found.caller)
    }

    /// All callers.
    pub(super) fn callers(&self) -> impl Iterator<Item = &KnownCaller> {
        self.callers.iter().map(|ruled| &*ruled.caller)
    }
}

impl RuledCaller {
    fn has_certificate(&self, peer: &PeerIdentity) -> bool {
        peer.certificate_names.iter().any(|name| self.certificates.iter().any(|written| name.is(written)))
    }

    fn has_user(&self, user: UnixUser) -> bool {
        let is_in = |group: &NumberedGroup| group.gid == user.gid || group.members.contains(&user.uid);
        self.users.contains(&user.uid) || self.groups.iter().any(is_in)
    }
}

/// Gives a token to its caller. One that has no caller any more is as good as none.
fn own(callers: &[RuledCaller], entry: &TokenEntry) -> Option<(TokenHash, TokenOwner)> {
    let Some(owner) = callers.iter().find(|ruled| ruled.caller.name == entry.caller) else {
        tracing::warn!(
            token = entry.id,
            caller = entry.caller,
            "a token has no caller in access-file; it is not let in"
        );
        return None;
    };
    Some((entry.hash, TokenOwner { caller: Arc::clone(&owner.caller), expires: entry.expires }))
}

fn read_callers(
    files: &AccessFiles,
    counters: &mut HashMap<String, Arc<CallerCounters>>,
) -> Result<Vec<RuledCaller>, String> {
    let text = watched_file::read(&files.access, "a TOML file with a table for each caller, such as [caller.shop]")?;
    let text = String::from_utf8(text).map_err(|_| "is no text; use a TOML file".to_owned())?;
    let written: WrittenFile = toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
        format!("line {line} can't be used: {}", error.message())
    })?;
    if written.caller.is_empty() {
        return Err("names no caller, so that nobody could call; write a table such as [caller.shop]".into());
    }
    if written.caller.len() > MAX_CALLERS {
        return Err(format!("names more than {MAX_CALLERS} callers; let some share a table"));
    }
    let callers: Result<Vec<_>, String> = written
        .caller
        .into_iter()
        .map(|(name, caller)| {
            let in_caller = |problem| format!("caller.{name}: {problem}");
            judge(&name, caller, files, counters).map_err(in_caller)
        })
        .collect();
    let callers = callers?;
    check_apart(&callers)?;
    counters.retain(|name, _| callers.iter().any(|ruled| ruled.caller.name == *name));
    Ok(callers)
}

fn judge(
    name: &str,
    written: WrittenCaller,
    files: &AccessFiles,
    counters: &mut HashMap<String, Arc<CallerCounters>>,
) -> Result<RuledCaller, String> {
    if !is_namespace(name) {
        return Err(format!("is not a name for a caller; write {NAMESPACE_RULE}"));
    }
    let grants = grants(&written.allow)?;
    let is_known = written.anyone || !(written.users.is_empty() && written.groups.is_empty()) || files.tokens.is_some();
    if !is_known && written.certificates.is_empty() {
        return Err("nothing tells who it is; write certificates, users or groups, or set access-tokens".into());
    }
    if !is_known && !files.has_certificates {
        return Err(
            "only certificates tell who it is, and nobody is asked for one; set tls-client-ca, or access-tokens".into(),
        );
    }
    if let Some(empty) = written.certificates.iter().find(|name| name.trim().is_empty() || name.contains('*')) {
        return Err(format!("certificates: {empty:?} is no name; write a DNS name or a URI in full"));
    }
    let users = written.users.into_iter().map(user).collect::<Result<_, _>>()?;
    let groups = written.groups.into_iter().map(group).collect::<Result<_, _>>()?;
    if written.max_calls_per_second == Some(0) {
        return Err("max-calls-per-second must be 1 or more; leave it out for any number".into());
    }
    let counters = counters.entry(name.to_owned()).or_default();
    Ok(RuledCaller {
        caller: Arc::new(KnownCaller {
            name: name.to_owned(),
            grants,
            max_calls: written.max_calls_per_second,
            counters: Arc::clone(counters),
        }),
        certificates: written.certificates,
        users,
        groups,
        is_anyone: written.anyone,
    })
}

fn grants(rules: &[WrittenRule]) -> Result<Grants, String> {
    let mut grants = Grants::default();
    if rules.is_empty() {
        return Err("allow is empty, so that it could do nothing; write a rule, or leave the caller out".into());
    }
    for WrittenRule { namespaces, may } in rules {
        let mut permissions = Permissions::default();
        for name in may {
            permissions.add(Permissions::named(name).ok_or_else(|| {
                let names: Vec<_> = Permissions::names().collect();
                format!("may: {name:?} is no permission; write some of {}", names.join(", "))
            })?);
        }
        if namespaces.is_empty() || may.is_empty() {
            return Err("a rule of allow needs namespaces and may; write both, or leave it out".into());
        }
        for namespace in namespaces {
            if namespace == EVERY_NAMESPACE {
                grants.everywhere.add(permissions);
            } else if !is_namespace(namespace) {
                return Err(format!("namespaces: {namespace:?} is none; write {NAMESPACE_RULE}, or \"*\" for all"));
            } else if let Some(permission) = permissions.of_server() {
                return Err(format!("{permission} is about the whole server; write namespaces = [\"*\"] for it"));
            } else {
                grants.in_namespaces.entry(namespace.as_str().into()).or_default().add(permissions);
            }
        }
    }
    Ok(grants)
}

/// Two callers must not be known by the same thing: nobody could say which of them calls.
fn check_apart(callers: &[RuledCaller]) -> Result<(), String> {
    let mut owners: HashMap<String, &str> = HashMap::new();
    for ruled in callers {
        let certificates = ruled.certificates.iter().map(|name| format!("the certificate {name:?}"));
        let users = ruled.users.iter().map(|uid| format!("the user {uid}"));
        let groups = ruled.groups.iter().map(|group| format!("the group {}", group.gid));
        let anyone = ruled.is_anyone.then(|| "anyone".to_owned());
        for sign in certificates.chain(users).chain(groups).chain(anyone) {
            let name = ruled.caller.name.as_str();
            if let Some(other) = owners.insert(sign.clone(), name).filter(|other| *other != name) {
                return Err(format!("{sign} stands for two callers, {other} and {name}; leave it to one of them"));
            }
        }
    }
    Ok(())
}

fn user(written: NameOrNumber) -> Result<u32, String> {
    match written {
        NameOrNumber::Number(uid) => Ok(uid),
        NameOrNumber::Name(name) => {
            if let Ok(Some(user)) = User::from_name(&name) {
                return Ok(user.uid.as_raw());
            }
            // Digits that are nobody's name are a number, as for chown (POSIX).
            let number = name.parse();
            number.map_err(|_| format!("users: there is no user {name:?} here; make it, or write its number"))
        }
    }
}

fn group(written: NameOrNumber) -> Result<NumberedGroup, String> {
    let found = match &written {
        NameOrNumber::Number(gid) => Group::from_gid((*gid).into()),
        NameOrNumber::Name(name) => Group::from_name(name),
    };
    match (found, written) {
        (Ok(Some(group)), _) => {
            let users = group.mem.iter().filter_map(|name| User::from_name(name).ok().flatten());
            Ok(NumberedGroup { gid: group.gid.as_raw(), members: users.map(|user| user.uid.as_raw()).collect() })
        }
        (_, NameOrNumber::Number(gid)) => Ok(NumberedGroup { gid, members: Vec::new() }),
        (_, NameOrNumber::Name(name)) => match name.parse() {
            Ok(gid) => group(NameOrNumber::Number(gid)),
            Err(_) => Err(format!("groups: there is no group {name:?} here; make it, or write its number")),
        },
    }
}

impl Grants {
    /// Whether this is allowed in a namespace, or in all of them.
    pub(super) fn allow(&self, permission: Permission, namespace: Option<&str>) -> bool {
        let here = namespace.and_then(|namespace| self.in_namespaces.get(namespace));
        self.everywhere.include(permission) || here.is_some_and(|here| here.include(permission))
    }
}

#[cfg(test)]
mod tests {
    use super::super::identity::CertificateName;
    use super::*;
    use std::fs;

    fn load(text: &str) -> Result<Rules, String> {
        load_where(true, text)
    }

    fn load_where(has_certificates: bool, text: &str) -> Result<Rules, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.toml");
        fs::write(&path, text).unwrap();
        let files = AccessFiles { access: path, tokens: None, has_certificates };
        let loaded = Rules::load(&files, &mut HashMap::new());
        loaded.map_err(|problem| problem.problem.split_once("access.toml ").unwrap().1.to_owned())
    }

    fn name_of(rules: &Rules, peer: &PeerIdentity) -> Option<String> {
        rules.of_peer(peer).map(|caller| caller.name.clone())
    }

    #[test]
    fn peers_are_known_by_certificate_then_user_then_as_anyone() {
        let rules = load(
            "[caller.shop]\ncertificates = [\"Shop.internal\", \"spiffe://x/shop\"]\n\
             allow = [{ namespaces = [\"shop\"], may = [\"application\"] }]\n\
             [caller.local]\nusers = [4711, \"4713\"]\ngroups = [4712, \"4714\"]\n\
             allow = [{ namespaces = [\"*\"], may = [\"operator\"] }]\n\
             [caller.rest]\nanyone = true\nallow = [{ namespaces = [\"a\"], may = [\"sessions\"] }]",
        );
        let rules = rules.unwrap_or_else(|problem| panic!("{problem}"));
        let by_name = |name| PeerIdentity { certificate_names: vec![name], ..PeerIdentity::default() };
        let by_user = |uid, gid| PeerIdentity { user: Some(UnixUser { uid, gid }), ..PeerIdentity::default() };
        let dns = |name: &str| by_name(CertificateName::Dns(name.into()));
        for (peer, caller) in [
            (dns("shop.INTERNAL"), "shop"),
            (by_name(CertificateName::Uri("spiffe://x/shop".into())), "shop"),
            (by_name(CertificateName::Uri("spiffe://x/SHOP".into())), "rest"),
            (by_user(4711, 1), "local"),
            (by_user(1, 4712), "local"),
            (by_user(4713, 1), "local"),
            (by_user(1, 4714), "local"),
            (by_user(1, 1), "rest"),
            (PeerIdentity::default(), "rest"),
        ] {
            assert_eq!(name_of(&rules, &peer).as_deref(), Some(caller), "{peer:?}");
        }
        let shop = Arc::clone(rules.of_peer(&dns("shop.internal")).unwrap());
        assert!(shop.grants.allow(Permission::Sessions, Some("shop")));
        assert!(!shop.grants.allow(Permission::Sessions, Some("shop2")));
        assert!(!shop.grants.allow(Permission::Watch, None));
        assert!(!shop.grants.allow(Permission::Namespace, Some("shop")));
    }

    #[test]
    fn what_can_not_be_used_is_said_with_its_remedy() {
        let rule = "allow = [{ namespaces = [\"a\"], may = [\"sessions\"] }]";
        for (text, problem) in [
            ("", "names no caller"),
            ("[caller.a]\nanyone = true", "line 1 can't be used: missing field `allow`"),
            ("[caller.a]\nanyone = true\nallow = []\n\"a\\nb\" = 1", "line 4 can't be used: unknown field `a b`"),
            ("[caller.a]\nanyone = true\nalow = []", "line 3 can't be used: unknown field `alow`"),
            ("[caller.a]\nanyone = true\nallow = []", "caller.a: allow is empty"),
            (&format!("[caller.a]\n{rule}"), "caller.a: nothing tells who it is"),
            (&format!("[caller.A]\nanyone = true\n{rule}"), "caller.A: is not a name for a caller"),
            (&format!("[caller.a]\nusers = [\"no such user\"]\n{rule}"), "caller.a: users: there is no user"),
            (&format!("[caller.a]\ngroups = [\"no such group\"]\n{rule}"), "caller.a: groups: there is no group"),
            (&format!("[caller.a]\ncertificates = [\"*.x\"]\n{rule}"), "caller.a: certificates: \"*.x\" is no name"),
            (
                "[caller.a]\nanyone = true\nallow = [{ namespaces = [\"a\"], may = [\"everything\"] }]",
                "caller.a: may: \"everything\" is no permission; write some of sessions,",
            ),
            (
                "[caller.a]\nanyone = true\nallow = [{ namespaces = [\"a b\"], may = [\"watch\"] }]",
                "caller.a: namespaces: \"a b\" is none",
            ),
            (
                "[caller.a]\nanyone = true\nallow = [{ namespaces = [\"a\"], may = [\"monitor\"] }]",
                "caller.a: statistics is about the whole server",
            ),
            (
                "[caller.a]\nanyone = true\nallow = [{ namespaces = [], may = [\"watch\"] }]",
                "caller.a: a rule of allow needs namespaces and may",
            ),
            (
                &format!("[caller.a]\nusers = [1]\n{rule}\n[caller.b]\nusers = [1]\n{rule}"),
                "the user 1 stands for two callers, a and b",
            ),
        ] {
            let found = load(text).err().unwrap_or_default();
            assert!(found.starts_with(problem), "{text}: {found}");
        }
    }

    #[test]
    fn who_can_show_no_sign_is_told_at_once() {
        let rule = "allow = [{ namespaces = [\"a\"], may = [\"sessions\"] }]";
        let alone = format!("[caller.a]\ncertificates = [\"x\"]\n{rule}");
        assert!(load_where(true, &alone).is_ok());
        let told = load_where(false, &alone).err().unwrap_or_default();
        assert!(
            told.starts_with("caller.a: only certificates tell who it is") && told.contains("tls-client-ca"),
            "{told}"
        );
        assert!(load_where(false, &format!("[caller.a]\ncertificates = [\"x\"]\nusers = [1]\n{rule}")).is_ok());
    }
}
