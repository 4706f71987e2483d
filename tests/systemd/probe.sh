#!/bin/bash
# Runs inside the namespace, as a unit of its systemd: what must be true of ours.
set -euo pipefail

image=5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c03
demo=/var/lib/glance/demo

fail() {
    echo "failed: $*"
    systemctl status --no-pager --lines 20 glance-revert glance-revert-scrub || true
    exit 1
}

property() { systemctl show --property "$2" --value "$1"; }

is_failed() { [[ $(property glance-revert ActiveState) == failed ]]; }

until_true() {
    local tries=100
    until "$@" >/dev/null 2>&1; do
        ((--tries > 0)) || fail "waited in vain: $*"
        sleep 0.1
    done
}

# The user is there by sysusers.d; the demo writes a small Glance, which then is the host's own.
[[ $(id -un glance) == glance ]] || fail "no user glance"
mkdir -p /var/lib/glance /etc/glance/glance.conf.d
glance-revert demo --folder "$demo" >/tmp/demo &
until_true grep -q 'Ctrl-C ends the demo' /tmp/demo
kill %1
wait %1
mv "$demo/glance-api.conf" /etc/glance/
mv "$demo/glance-revert.conf" /etc/glance/glance.conf.d/
chown -R glance:glance /var/lib/glance
chown -R root:glance /etc/glance
chmod -R u=rwX,g=rX,o= /etc/glance /var/lib/glance
systemctl start glance-revert || fail "no start"
until_true glance-revert healthcheck
[[ $(stat -c %U "/proc/$(property glance-revert MainPID)") == glance ]] || fail "not Glance's user"
echo "serves in its sandbox"

code=$(curl -sS -o /dev/null -w '%{http_code}' -H "@$demo/admin-header" -X POST \
    "http://127.0.0.1:9393/v2/images/$image/actions/revert")
[[ $code == 200 ]] || fail "the revert answers $code"
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
