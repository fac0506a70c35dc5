//! What a caller may do.

use std::fmt;

/// A group of calls that is allowed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// All calls on sessions whose IDs the caller has, and making new ones.
    Sessions,
    /// Listing, counting and ending the sessions of a principal, or some by handles or IDs.
    Principals,
    /// Listing, counting and ending all sessions of a namespace.
    Namespace,
    /// Watching events.
    Watch,
    /// Reading the server's statistics.
    Statistics,
    /// Sweeping and checking the data.
    Maintenance,
    /// Taking and restoring backups.
    Backup,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Sessions,
        Self::Principals,
        Self::Namespace,
        Self::Watch,
        Self::Statistics,
        Self::Maintenance,
        Self::Backup,
    ];

    /// The name in the access file, in errors and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Principals => "principals",
            Self::Namespace => "namespace",
            Self::Watch => "watch",
            Self::Statistics => "statistics",
            Self::Maintenance => "maintenance",
            Self::Backup => "backup",
        }
    }

    /// Whether its calls are about the whole server, so that it makes sense for all namespaces only.
    pub(super) fn is_of_server(self) -> bool {
        matches!(self, Self::Statistics | Self::Maintenance | Self::Backup)
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Some permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Permissions(u8);

/// Groups of permissions, for the usual kinds of callers.
const GROUPS: [(&str, &[Permission]); 3] = [
    ("application", &[Permission::Sessions, Permission::Principals, Permission::Watch]),
    (
        "operator",
        &[
            Permission::Principals,
            Permission::Namespace,
            Permission::Watch,
            Permission::Statistics,
            Permission::Maintenance,
            Permission::Backup,
        ],
    ),
    ("monitor", &[Permission::Statistics]),
];

impl Permissions {
    /// Those of a permission or a group, by its name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let alone = Permission::ALL.iter().find(|permission| permission.name() == name);
        let alone = alone.map(std::slice::from_ref);
        let group = || GROUPS.iter().find(|(group, _)| *group == name).map(|(_, permissions)| *permissions);
        let permissions = alone.or_else(group)?;
        Some(Self(permissions.iter().fold(0, |bits, permission| bits | permission.bit())))
    }

    /// The names that [`named`](Self::named) knows.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        Permission::ALL.into_iter().map(Permission::name).chain(GROUPS.iter().map(|(name, _)| *name))
    }

    pub(super) fn include(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    pub(super) fn add(&mut self, others: Self) {
        self.0 |= others.0;
    }

    /// One of them that is about the whole server.
    pub(super) fn of_server(self) -> Option<Permission> {
        Permission::ALL.into_iter().find(|permission| permission.is_of_server() && self.include(*permission))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_groups_are_told_apart() {
        let operator = Permissions::named("operator").unwrap();
        assert!(operator.include(Permission::Backup) && !operator.include(Permission::Sessions));
        assert_eq!(Permissions::named("watch"), Some(Permissions(Permission::Watch.bit())));
        assert_eq!(Permissions::named("Watch"), None);
        for name in Permissions::names() {
            assert!(Permissions::named(name).is_some(), "{name}");
        }
    }
}
