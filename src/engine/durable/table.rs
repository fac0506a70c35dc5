//! The tables. Each is a tree of sled, under the rows that are not in sled yet (see
//! [`LayeredTable`](super::layered_table::LayeredTable)).

/// A table. The redo log stores the numbers, so they must never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Table {
    Sessions = 0,
    Parts = 1,
    Lookups = 2,
    Touches = 3,
    Due = 4,
    Members = 5,
    Events = 6,
    Meta = 7,
}

impl Table {
    /// All tables, in the order of their numbers.
    pub(super) const ALL: [Self; 8] =
        [Self::Sessions, Self::Parts, Self::Lookups, Self::Touches, Self::Due, Self::Members, Self::Events, Self::Meta];

    /// The name of its tree in sled.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Parts => "parts",
            Self::Lookups => "lookups",
            Self::Touches => "touches",
            Self::Due => "due",
            Self::Members => "members",
            Self::Events => "events",
            Self::Meta => "meta",
        }
    }

    /// Whether it is a leaf table. That suits small rows with neighbouring keys that are seldom read one by one. Lookup
    /// rows are read one by one, so they have no leaves.
    pub(super) fn has_leaves(self) -> bool {
        matches!(self, Self::Touches | Self::Due | Self::Members)
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}
