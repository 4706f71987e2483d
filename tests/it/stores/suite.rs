//! One list of cases that every store must pass.
//!
//! A store takes part with its own file in `suite/`: it implements [`Stand`] on a real server, and
//! ends with [`store_suite!`], which lists the cases that it runs and, with the reason, those that
//! this kind of store cannot have. Each case is in one of the two lists.

mod cases;
mod ceph;
mod cinder;
mod file;
mod http;
mod s3;
mod stand;
mod swift;

use stand::Stand;

/// Every case, by the name of its function in `cases`.
const CASES: [&str; 22] = [
    "an_object_is_seen_and_read",
    "an_object_is_destroyed",
    "several_objects_go_as_each_does_alone",
    "a_large_object_is_read_and_destroyed_whole",
    "an_absent_object_is_proved_absent",
    "absence_is_not_believed_where_the_root_is_missing",
    "what_is_forbidden_stays",
    "what_is_in_use_stays",
    "a_server_that_is_down_is_said_to_be",
    "a_connection_that_fails_at_any_moment_tells_no_lie",
    "a_server_lost_from_any_moment_on_tells_no_lie",
    "a_server_that_hangs_at_any_moment_is_given_up",
    "a_slow_server_is_waited_for",
    "an_answer_cut_short_is_no_answer",
    "a_body_cut_short_is_no_body",
    "another_size_is_found_out",
    "another_content_is_found_out",
    "odd_names_are_taken_literally",
    "a_store_without_a_name_or_renamed_is_found",
    "what_lies_elsewhere_is_not_touched",
    "a_thousand_objects_go_and_nothing_is_left",
    "what_the_store_keeps_hidden_is_said_to_be",
];

/// The tests of one store. `start` creates its stand; the attributes apply to each test.
macro_rules! store_suite {
    (
        $attributes:tt $start:path;
        runs $($case:ident),+ $(,)?;
        lacks $($lacked:ident = $reason:literal),* $(,)?;
    ) => {
        $( $crate::stores::suite::store_case!($attributes $start, $case); )+

        #[test]
        fn every_case_is_run_or_listed_as_missing() {
            let runs = [$(stringify!($case)),+];
            $( let _ = $crate::stores::suite::cases::$lacked; )*
            let lacks: &[(&str, &str)] = &[$((stringify!($lacked), $reason)),*];
            let mut named: Vec<_> =
                runs.into_iter().chain(lacks.iter().map(|(case, _)| *case)).collect();
            let mut cases = $crate::stores::suite::CASES.to_vec();
            named.sort_unstable();
            cases.sort_unstable();
            assert_eq!(named, cases);
        }
    };
}
use store_suite;

macro_rules! store_case {
    ([$($attributes:tt)*] $start:path, $case:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $($attributes)*
        async fn $case() {
            $crate::stores::suite::cases::$case(&$start().await).await;
        }
    };
}
use store_case;
