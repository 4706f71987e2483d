#!/bin/bash
# Runs inside the namespace, as a unit of its systemd: checks our units.
set -euo pipefail
# shellcheck source=tests/systemd/common.sh
source /common.sh

is_failed() { [[ $(property glance-revert ActiveState) == failed ]]; }

[[ $(id -un glance) == glance ]] || fail "no user glance, which sysusers.d makes"
make_glance glance-revert.conf
systemctl start glance-revert || fail "no start"
until_true glance-revert healthcheck
[[ $(stat -c %U "/proc/$(property glance-revert MainPID)") == glance ]] || fail "not Glance's user"
echo "serves in its sandbox"

reverts
echo "reverts an image of the file store"

systemctl start glance-revert-scrub || fail "no pass"
[[ $(property glance-revert-scrub ExecMainStatus) =~ ^(0|75)$ ]] || fail "the pass ends wrongly"
systemctl start glance-revert-scrub.timer || fail "no timer"
[[ $(property glance-revert-scrub.timer NextElapseUSecMonotonic) != infinity ]] || fail "never elapses"
echo "runs a pass, and would again"

systemctl stop glance-revert
[[ $(property glance-revert Result) == success ]] || fail "stops with $(property glance-revert Result)"
echo "stops"

echo 'no option at all' >>/etc/glance/glance.conf.d/glance-revert.conf
systemctl start glance-revert || true
until_true is_failed
[[ $(property glance-revert ExecMainStatus) == 64 ]] || fail "ends with another code than 64"
sleep 6
is_failed && [[ $(property glance-revert NRestarts) == 0 ]] ||
    fail "is started again with a wrong configuration"
echo "stays down with a wrong configuration"
echo passed
