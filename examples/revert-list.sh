#!/usr/bin/env bash
# Takes a list of images back, one id a line on standard input, and reports each as a line of tabs:
# id, status of the answer, reason (`-` where it is back). What passes (503, 429, and a 409 with
# Retry-After) is tried again, five times at most. Exit code 0 only if all of them are back.
#
#   examples/revert-list.sh HEADER_FILE <ids >report.tsv
#
# GLANCE_REVERT_URL is the service [http://127.0.0.1:9393].
set -euo pipefail

header=${1:?usage: revert-list.sh HEADER_FILE <ids}
url=${GLANCE_REVERT_URL:-http://127.0.0.1:9393}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Prints status, reason and the seconds to wait before another attempt, 0 for none.
revert() {
    local status
    status=$(curl -sS -H "@$header" -o "$work/body" -D "$work/head" -w '%{http_code}' \
        -X POST "$url/v2/images/$1/actions/revert") || status=000
    python3 - "$status" "$work/head" "$work/body" <<'PY'
import json, re, sys
status, head, body = sys.argv[1:]
reason, wait = "-", "0"
if status == "000":
    reason, wait = "unreachable", "5"
elif status != "200":
    try:
        reason = json.load(open(body))["error"]["reason"]
    except (ValueError, KeyError):
        reason = "unknown"
    found = re.search(r"(?im)^retry-after: *(\d+)", open(head).read())
    wait = found.group(1) if found else "0"
print(status, reason, wait)
PY
}

failed=0
while read -r image; do
    [[ -n $image ]] || continue
    for attempt in 1 2 3 4 5; do
        read -r status reason wait < <(revert "$image")
        [[ $wait != 0 && $attempt != 5 ]] || break
        sleep "$wait"
    done
    printf '%s\t%s\t%s\n' "$image" "$status" "$reason"
    [[ $status = 200 ]] || failed=1
done
exit "$failed"
