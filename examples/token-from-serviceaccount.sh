#!/usr/bin/env bash
# Gets a short-lived token of a Kubernetes ServiceAccount with the service's own audience, and writes
# it as a header into a file that only you can read. Inside a pod, mount a projected token with this
# audience instead.
#
#   examples/token-from-serviceaccount.sh NAMESPACE NAME HEADER_FILE [AUDIENCE]
set -euo pipefail

namespace=${1:?usage: token-from-serviceaccount.sh NAMESPACE NAME HEADER_FILE [AUDIENCE]}
name=${2:?the name of the ServiceAccount is missing}
file=${3:?the file for the header is missing}
audience=${4:-glance-revert}

token=$(kubectl --namespace "$namespace" create token "$name" --audience "$audience" --duration 10m)
(umask 077 && printf 'Authorization: Bearer %s\n' "$token" >"$file")
