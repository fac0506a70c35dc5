//! Which tables there are. Each is a tree of sled, under rows that are not in it yet (see [`LayeredTable`](super::layered_table::LayeredTable)).

/// A table. The number stands in the redo log and must never change.
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
    /// By number.
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

    /// Whether many of its rows stand in one of sled's: those that are small, come beside each other, and are seldom asked for
    /// one by one, as lookups are.
    pub(super) fn has_leaves(self) -> bool {
        matches!(self, Self::Touches | Self::Due | Self::Members)
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}
