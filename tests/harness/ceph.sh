#!/usr/bin/env bash
# A private Ceph on loopback: one monitor, one OSD that keeps everything in memory, cephx.
#
#   tests/harness/ceph.sh cluster FOLDER   monitor, OSD, pools images and volumes, users
#   tests/harness/ceph.sh rgw FOLDER       S3 in front of it: FOLDER/rgw.env says where
#
# Runs until it is killed; everything it started ends with it. FOLDER/ready and FOLDER/rgw.env appear when
# everything answers. It writes only into FOLDER. Users: client.admin, glance (reads and writes images),
# glance-ro (reads images), halfway (unprotects snapshots but removes none), blind (sees no trash), keeper
# (all pools), nobody (no pool), cinder (clones into volumes).
set -euo pipefail

export PATH=$PATH:/usr/sbin:/sbin
folder=$2
conf=$folder/ceph.conf
# Otherwise the commands search for plug-ins and histories in the machine's folders.
export CEPH_CONF=$conf HOME=$folder PYTHONDONTWRITEBYTECODE=1

die() {
    printf 'ceph.sh: %s\n' "$*" >&2
    exit 1
}

# Below the range of ports that the kernel uses for outgoing connections.
free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)); do
        (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { printf '%s\n' "$port"; return; }
    done
}

# Tries `$@` every 0.1 s for at most a minute, as long as process $pid lives.
wait_for() {
    local tries=600
    until "$@" >/dev/null 2>&1; do
        kill -0 "$pid" 2>/dev/null && ((--tries > 0)) || die "waited in vain: $*"
        sleep 0.1
    done
}

# Started by this shell itself, never by a subshell, because the kernel's signal comes when the parent dies.
daemon() {
    setpriv --pdeathsig KILL "$@" --foreground </dev/null >>"$folder/log" 2>&1 &
    pid=$!
}

write_conf() {
    port=$(free_port)
    fsid=$(cat /proc/sys/kernel/random/uuid)
    cat >"$conf" <<CONF
[global]
fsid = $fsid
mon_host = [v2:127.0.0.1:$port]
public_network = 127.0.0.0/8
ms_bind_msgr1 = false
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
run_dir = $folder
admin_socket =
pid_file =
crash_dir = $folder
log_file = $folder/\$name.log
log_to_stderr = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
mon_allow_pool_size_one = true
mon_allow_pool_delete = true
mon_max_pg_per_osd = 10000
mon_data_avail_warn = 1
mon_data_avail_crit = 1
auth_allow_insecure_global_id_reclaim = false
# A frozen OSD must be waited for, not declared dead.
osd_heartbeat_grace = 3600
[mon]
mon_data = $folder/mon
# Each snapshot created or removed is a decision of the monitor, which by default makes one a second.
paxos_propose_interval = 0.01
paxos_min_wait = 0.005
keyring = $folder/mon/keyring
mon_cluster_log_file = $folder/cluster.log
[osd]
osd_data = $folder/osd
keyring = $folder/osd.0.keyring
osd_objectstore = memstore
memstore_device_bytes = 2147483648
osd_class_dir = $(echo /usr/lib/*/rados-classes)
osd_op_thread_suicide_timeout = 0
[client]
keyring = $folder/\$name.keyring
rbd_default_features = 61
CONF
}

# The monitor takes its first keyring unchanged, including capabilities, so no user needs a command.
user() {
    local name=$1
    shift
    ceph-authtool --create-keyring "$folder/$name.keyring" --gen-key -n "$name" "$@" >/dev/null
    ceph-authtool "$folder/seed.keyring" --import-keyring "$folder/$name.keyring" >/dev/null
}

make_users() {
    ceph-authtool --create-keyring "$folder/seed.keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
    user client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
    user osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
    user client.rgw --cap mon 'allow rw' --cap osd 'allow rwx'
    user client.glance --cap mon 'profile rbd' --cap osd 'profile rbd pool=images'
    user client.glance-ro --cap mon 'profile rbd-read-only' --cap osd 'profile rbd-read-only pool=images'
    local clones='allow class-read object_prefix rbd_children' kind blind=
    user client.halfway --cap mon 'profile rbd' \
        --cap osd "$clones, allow rw class-read pool=images, allow class rbd set_protection_status pool=images"
    for kind in id header data dir info; do
        blind+=", allow rwx pool=images object_prefix rbd_$kind"
    done
    user client.blind --cap mon 'profile rbd' --cap osd "$clones$blind"
    user client.keeper --cap mon 'profile rbd' --cap osd 'profile rbd'
    user client.nobody --cap mon 'profile rbd'
    user client.cinder --cap mon 'profile rbd' \
        --cap osd 'profile rbd pool=volumes, profile rbd pool=images'
}

start_monitor() {
    monmaptool --create --addv a "[v2:127.0.0.1:$port]" --fsid "$fsid" "$folder/monmap" >/dev/null
    ceph-mon --mkfs -i a --monmap "$folder/monmap" --keyring "$folder/seed.keyring" >>"$folder/log" 2>&1
    daemon ceph-mon -i a
    wait_for ceph --connect-timeout 5 mon stat
}

start_osd() {
    local uuid
    uuid=$(cat /proc/sys/kernel/random/uuid)
    mkdir "$folder/osd"
    ceph osd new "$uuid" 0 >/dev/null
    ceph-osd --mkfs -i 0 --osd-uuid "$uuid" >>"$folder/log" 2>&1
    daemon ceph-osd -i 0
    printf '%s\n' "$pid" >"$folder/osd.pid"
}

cluster() {
    write_conf
    make_users
    start_monitor
    printf '%s\n' "$pid" >"$folder/mon.pid"
    start_osd
    local pool
    for pool in images volumes; do
        ceph osd pool create "$pool" 8 >/dev/null 2>&1
        ceph osd pool application enable "$pool" rbd >/dev/null 2>&1
    done
    wait_for osd_is_up
    for pool in images volumes; do
        rbd pool init "$pool"
    done
    # Only the Ceph modules of the system's Python.
    mkdir "$folder/python"
    ln -s /usr/lib/python3/dist-packages/{rados,rbd}.*.so "$folder/python"
    touch "$folder/ready"
}

osd_is_up() { ceph osd stat | grep -q ' 1 up'; }

rgw() {
    local port access secret
    port=$(free_port)
    access=$(od -An -N10 -tx1 /dev/urandom | tr -d ' \n')
    # A secret that is searched for in all output of the product.
    secret=$(sed -n 's/^pub(crate) const S3_SECRET: &str = "\(.*\)";$/\1/p' "$(dirname "$0")/../it/support/data/canary.rs")
    [[ -n $secret ]]
    daemon radosgw -n client.rgw --rgw-data "$folder/rgw" --rgw-frontends "beast endpoint=127.0.0.1:$port"
    radosgw-admin -n client.rgw user create --uid glance --display-name glance \
        --access-key "$access" --secret-key "$secret" >/dev/null 2>>"$folder/log"
    wait_for bash -c ": >/dev/tcp/127.0.0.1/$port"
    (umask 077 && cat >"$folder/rgw.env.new" <<ENV
RGW_ENDPOINT=http://127.0.0.1:$port
RGW_ACCESS_KEY=$access
RGW_SECRET_KEY=$secret
ENV
    )
    mv "$folder/rgw.env.new" "$folder/rgw.env"
}

case $1 in
    cluster) cluster ;;
    rgw) rgw ;;
    *) die "no such command: $1" ;;
esac
wait
