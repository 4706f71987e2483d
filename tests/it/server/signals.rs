//! Real signals, sent by this process to itself.

use std::process::Command;
use std::time::Duration;

use glance_revert::server::signals::shutdown_signal;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);

fn send_to_self(signal: &str) {
    let sent = Command::new("sh")
        .args(["-c", "kill -s \"$0\" \"$1\"", signal, &std::process::id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// The only test that may do this: the signals reach every listener in the process.
#[tokio::test]
async fn the_process_survives_a_hangup_and_stops_in_two_stages() {
    let shutdown = shutdown_signal().unwrap();
    send_to_self("HUP");
    send_to_self("TERM");
    timeout(DEADLINE, shutdown.soft.cancelled()).await.expect("SIGTERM was not heard");
    assert!(!shutdown.hard.is_cancelled());
    send_to_self("INT");
    timeout(DEADLINE, shutdown.hard.cancelled()).await.expect("SIGINT was not heard");
}
