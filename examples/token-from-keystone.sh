#!/usr/bin/env bash
# Gets a token from Keystone with the variables of an OpenStack RC file (OS_AUTH_URL, OS_USERNAME,
# OS_PASSWORD, OS_PROJECT_NAME, ..) and writes it as a header into a file that only you can read.
# The password goes to curl by standard input, so that no list of processes shows it.
#
#   examples/token-from-keystone.sh HEADER_FILE
#   curl -H @HEADER_FILE http://127.0.0.1:9393/v2/pending-deletes
set -euo pipefail

file=${1:?usage: token-from-keystone.sh HEADER_FILE}
base=${OS_AUTH_URL:?source an OpenStack RC file first}
base=${base%/}
base=${base%/v3}

request=$(
    python3 - <<'PY'
import json, os
def domain(of):
    name = os.environ.get(f"OS_{of}_DOMAIN_NAME")
    return {"name": name} if name else {"id": os.environ.get(f"OS_{of}_DOMAIN_ID", "default")}
user = {
    "name": os.environ["OS_USERNAME"],
    "password": os.environ["OS_PASSWORD"],
    "domain": domain("USER"),
}
scope = {"project": {"name": os.environ["OS_PROJECT_NAME"], "domain": domain("PROJECT")}}
identity = {"methods": ["password"], "password": {"user": user}}
print(json.dumps({"auth": {"identity": identity, "scope": scope}}))
PY
)
headers=$(mktemp)
trap 'rm -f "$headers"' EXIT
status=$(curl -sS -o /dev/null -D "$headers" -w '%{http_code}' -H 'Content-Type: application/json' \
    --data-binary @- "$base/v3/auth/tokens" <<<"$request")
if [[ $status != 201 ]]; then
    echo "Keystone at $base answered $status: no token" >&2
    exit 1
fi
token=$(tr -d '\r' <"$headers" | sed -n 's/^[Xx]-[Ss]ubject-[Tt]oken: //p')
(umask 077 && printf 'X-Auth-Token: %s\n' "$token" >"$file")
