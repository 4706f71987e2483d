#!/bin/bash
# Runs inside the namespace, as a unit of its systemd: checks the Debian package from the first installation
# to the purge. /1 and /2 have the package, the second one as a later revision.
set -euo pipefail
# shellcheck source=tests/systemd/common.sh
source /common.sh

added=/etc/glance/glance.conf.d/glance-revert.conf

is_active() { systemctl --quiet is-active glance-revert; }

dpkg --install /1/*.deb || fail "no installation"
[[ $(dpkg-query --show --showformat '${Status}' glance-revert) == 'install ok installed' ]] || fail "not installed"
! is_active || fail "is started without being asked"
! systemctl --quiet is-enabled glance-revert glance-revert-scrub.timer || fail "is enabled without being asked"
[[ $(id -un glance) == glance ]] || fail "no user glance"
[[ $(stat -c %U:%a /var/lib/glance) == glance:750 ]] || fail "no folder of Glance's"
[[ $(stat -c %G:%a "$added") == glance:640 ]] || fail "anybody reads $added"
for file in /usr/share/man/man1/glance-revert.1.gz /usr/share/man/man1/glance-revert-revert.1.gz \
    /usr/share/bash-completion/completions/glance-revert /usr/share/zsh/vendor-completions/_glance-revert \
    /usr/share/fish/vendor_completions.d/glance-revert.fish /usr/share/doc/glance-revert/copyright; do
    [[ -s $file ]] || fail "no $file"
done
! dpkg --verify glance-revert | grep -v ' c ' || fail "files are not as they were packed"
echo "installs, and starts nothing"

make_glance demo.conf
# an operator edits the configuration file
sed -i 's/^#lock_wait = .*/lock_wait = 7/' "$added"
grep -qx 'lock_wait = 7' "$added" || fail "the sample has no lock_wait"
setpriv --reuid glance --regid glance --clear-groups glance-revert check || fail "check"
systemctl enable --now glance-revert || fail "no start"
until_true glance-revert healthcheck
[[ $(stat -c %U "/proc/$(property glance-revert MainPID)") == glance ]] || fail "not Glance's user"
reverts
echo "is enabled, serves, and reverts an image"

before=$(property glance-revert MainPID)
dpkg --install /2/*.deb </dev/null || fail "no upgrade"
is_active && [[ $(property glance-revert MainPID) != "$before" ]] || fail "is not started again with the new program"
until_true glance-revert healthcheck
grep -qx 'lock_wait = 7' "$added" && [[ $(stat -c %G:%a "$added") == glance:640 ]] || fail "$added was changed"
systemctl --quiet is-enabled glance-revert || fail "is not enabled any more"
systemctl stop glance-revert
dpkg --install /1/*.deb </dev/null || fail "no downgrade"
! is_active || fail "is started by an upgrade while it was stopped"
systemctl start glance-revert || fail "no start after a downgrade"
until_true glance-revert healthcheck
echo "is upgraded and downgraded, running or not, with the operator's changes"

dpkg --remove glance-revert || fail "no removal"
! is_active || fail "runs on after its removal"
[[ -e $added && ! -e /usr/bin/glance-revert ]] || fail "removes too much, or too little"
dpkg --install /2/*.deb || fail "no second installation"
systemctl --quiet is-enabled glance-revert || fail "has forgotten that it was enabled"
dpkg --purge glance-revert || fail "no purge"
left=$(find / -xdev -name '*glance-revert*' -not -path '/[12]/*' -not -path "$demo/*" -not -path '/var/log/*')
[[ -z $left ]] || fail "the purge leaves $left"
[[ -e /etc/glance/glance-api.conf && -e $demo/glance.db ]] || fail "the purge takes what is Glance's"
echo "is removed, and purged: what is Glance's stays"
echo passed
