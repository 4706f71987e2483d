#!/usr/bin/env bash
# Reverts one image: shows the preview, asks, and reverts. Exit code 0 only if the image is active.
#
#   examples/revert-one.sh HEADER_FILE IMAGE_ID [--yes]
#
# GLANCE_REVERT_URL is the service [http://127.0.0.1:9393].
set -euo pipefail

header=${1:?usage: revert-one.sh HEADER_FILE IMAGE_ID [--yes]}
image=${2:?no image id}
url=${GLANCE_REVERT_URL:-http://127.0.0.1:9393}

ask() { curl -sS -H "@$header" "$@"; }

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
status=$(ask -o "$answer" -w '%{http_code}' "$url/v2/pending-deletes/$image")
cat "$answer"
echo
if [[ $status != 200 ]]; then
    exit 1
fi
if [[ ${3-} != --yes ]]; then
    read -r -p "Take $image back? [y/N] " word
    [[ $word = [yY] ]] || exit 1
fi
status=$(ask -o "$answer" -w '%{http_code}' -X POST "$url/v2/images/$image/actions/revert")
cat "$answer"
echo
[[ $status = 200 ]]
