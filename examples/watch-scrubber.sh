#!/usr/bin/env bash
# Checks the scrubber, for cron or a monitoring agent. Prints its counters, from the metrics of the
# second listener, and how long ago its last pass ended. Exit code 1 if a pass raised an alert, or if
# the last pass is older than MAX_AGE seconds [1800].
#
#   examples/watch-scrubber.sh [OPS_URL]
set -euo pipefail

url=${1:-http://127.0.0.1:9394}
curl -sS --fail "$url/metrics" | awk -v now="$(date +%s)" -v oldest="${MAX_AGE:-1800}" '
    /^glance_revert_scrub_last_pass_timestamp_seconds / { last = $2 }
    /^glance_revert_scrub_alerts_total / { alerts = $2 }
    /^glance_revert_scrub_/ && !/_bucket/ { print }
    END {
        if (last == 0) { print "no pass has ended yet"; exit 1 }
        printf "the last pass ended %d s ago\n", now - last
        if (alerts > 0) { print "ALERT: a pass needs a person; read the log"; exit 1 }
        exit (now - last > oldest)
    }'
