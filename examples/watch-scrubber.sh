#!/usr/bin/env bash
# Shows what the scrubber does, from the metrics of the second listener: how long ago its last pass
# ended, and its counters. Exit code 1 if it raised an alarm or the last pass is older than
# MAX_AGE seconds [1800]: a check for cron or a monitoring agent.
#
#   examples/watch-scrubber.sh [OPS_URL]
set -euo pipefail

url=${1:-http://127.0.0.1:9394}
curl -sS --fail "$url/metrics" | awk -v now="$(date +%s)" -v oldest="${MAX_AGE:-1800}" '
    /^glance_revert_scrub_last_pass_timestamp_seconds / { last = $2 }
    /^glance_revert_scrub_alarms_total / { alarms = $2 }
    /^glance_revert_scrub_/ && !/_bucket/ { print }
    END {
        if (last == 0) { print "no pass has ended yet"; exit 1 }
        printf "the last pass ended %d s ago\n", now - last
        if (alarms > 0) { print "ALARM: a store was stopped; see the log"; exit 1 }
        exit (now - last > oldest)
    }'
