#!/usr/bin/env bash
# Reverts a list of images: reads one id from each line of standard input, and prints a line with tabs for
# each image as soon as it is done: id, status of the answer, reason (`-` if it is active). Temporary errors
# (503, 429, and 409 with Retry-After) are tried again after the others, at most five times. Exit code 0
# only if all images are active, including those that already were.
#
#   examples/revert-list.sh HEADER_FILE <ids >report.tsv
#
# GLANCE_REVERT_URL is the service [http://127.0.0.1:9393].
set -euo pipefail

header=${1:?usage: revert-list.sh HEADER_FILE <ids}
url=${GLANCE_REVERT_URL:-http://127.0.0.1:9393}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One curl for all images of a round, so that they share a connection: this is its configuration.
requests() {
    local image separator=
    while read -r image; do
        printf '%s' "$separator"
        printf 'url = "%s/v2/images/%s/actions/revert"\n' "$url" "$image"
        printf 'request = POST\nheader = "@%s"\nsilent\nshow-error\n' "$header"
        printf 'output = "%s/%s.body"\ndump-header = "%s/%s.head"\n' "$work" "$image" "$work" "$image"
        printf 'write-out = "%s %%{http_code}\\n"\n' "$image"
        separator=$'next\n'
    done
}

# Reports what is settled, lists the rest in `again` and how long to wait for it in `wait`.
settle() {
    python3 -u -c '
import json, re, sys
work, last = sys.argv[1], sys.argv[2] == "last"
longest, again = 0, []
for line in sys.stdin:
    image, status = line.split()
    reason, wait = "-", 0
    if status == "000":
        reason, wait = "unreachable", 5
    elif status != "200":
        try:
            reason = json.load(open(f"{work}/{image}.body"))["error"]["reason"]
        except (OSError, ValueError, KeyError):
            reason = "unknown"
        found = re.search(r"(?im)^retry-after: *(\d+)", open(f"{work}/{image}.head").read())
        wait = int(found.group(1)) if found else 0
    if wait and not last:
        again.append(image)
        longest = max(longest, wait)
        continue
    print(image, status, reason, sep="\t")
    if status != "200" and reason != "image.already_active":
        open(f"{work}/failed", "w").close()
open(f"{work}/again", "w").writelines(f"{image}\n" for image in again)
open(f"{work}/wait", "w").write(str(longest))
' "$work" "$1"
}

while read -r image || [[ -n $image ]]; do
    if [[ $image =~ ^[0-9A-Za-z._-]{1,36}$ ]]; then
        printf '%s\n' "$image" >>"$work/again"
    elif [[ -n $image ]]; then
        printf '%s\t-\tno_image_id\n' "$image"
        touch "$work/failed"
    fi
done
for round in first second third fourth last; do
    [[ -s $work/again ]] || break
    mv "$work/again" "$work/now"
    requests <"$work/now" >"$work/requests"
    curl -K "$work/requests" | settle "$round" || true
    [[ ! -s $work/again ]] || sleep "$(cat "$work/wait")"
done
[[ ! -e $work/failed ]]
