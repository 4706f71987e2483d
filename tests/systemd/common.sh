# shellcheck shell=bash
# Functions that the probes share; they source it inside the namespace.

image=5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c03
demo=/var/lib/glance/demo

fail() {
    echo "failed: $*"
    systemctl status --no-pager --lines 20 glance-revert glance-revert-scrub || true
    exit 1
}

property() { systemctl show --property "$2" --value "$1"; }

until_true() {
    local tries=100
    until "$@" >/dev/null 2>&1; do
        ((--tries > 0)) || fail "waited in vain: $*"
        sleep 0.1
    done
}

# The demo writes a small Glance, which becomes the host's own.
make_glance() {
    mkdir -p /var/lib/glance /etc/glance/glance.conf.d
    glance-revert demo --folder "$demo" >/tmp/demo &
    until_true grep -q 'Ctrl-C ends the demo' /tmp/demo
    kill %1
    wait %1
    mv "$demo/glance-api.conf" /etc/glance/
    mv "$demo/glance-revert.conf" "/etc/glance/glance.conf.d/$1"
    chown -R glance:glance /var/lib/glance
    chown -R root:glance /etc/glance
    chmod -R u=rwX,g=rX,o= /etc/glance /var/lib/glance
}

reverts() {
    local code
    code=$(curl -sS -o /dev/null -w '%{http_code}' -H "@$demo/admin-header" -X POST \
        "http://127.0.0.1:9393/v2/images/$image/actions/revert")
    [[ $code == 200 ]] || fail "the revert answers $code"
}
