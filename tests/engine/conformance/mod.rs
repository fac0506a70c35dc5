//! The conformance suite that every engine must pass: it checks the promises of the trait on each implementation.

mod cold;
mod disk;
mod history;
mod records;
mod restore;
mod rows;
pub(crate) mod subject;
mod transactions;

/// Makes one test for each case and each engine.
macro_rules! conformance {
    ($($part:ident: $($case:ident),*;)*) => {
        mod memory {
            use crate::conformance::subject::Subject;
            $($(#[tokio::test] async fn $case() { crate::conformance::$part::$case(Subject::memory()).await; })*)*
        }
        mod encrypted {
            use crate::conformance::subject::Subject;
            $($(#[tokio::test] async fn $case() { crate::conformance::$part::$case(Subject::encrypted()).await; })*)*
        }
        mod sled {
            use crate::conformance::subject::Subject;
            $($(#[tokio::test] async fn $case() { crate::conformance::$part::$case(Subject::sled()).await; })*)*
        }
    };
}

conformance! {
    records:
        a_record_is_stored_with_its_rows,
        replacing_a_record_moves_its_rows,
        removing_a_record_removes_its_rows,
        touches_are_kept_beside_the_record,
        large_records_survive_growth_shrinking_and_removal,
        readers_never_see_a_torn_record;
    transactions:
        an_abandoned_or_failed_transaction_changes_nothing,
        transactions_see_those_before_them,
        who_follows_learns_of_every_change;
    cold:
        what_is_not_in_memory_is_found,
        what_is_not_in_memory_is_changed,
        a_query_does_not_wait_until_changes_are_durable;
    rows:
        due_rows_come_in_order_and_bounded,
        a_lookup_row_of_another_session_is_left_alone,
        members_are_listed_newest_first_and_in_pages,
        a_changed_principal_moves_the_member;
    history:
        events_are_numbered_and_kept_until_dropped,
        statistics_follow_the_records;
    restore:
        a_restored_record_keeps_its_numbers,
        restoring_again_replaces_all_rows,
        restored_events_keep_their_numbers;
}
