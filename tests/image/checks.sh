# shellcheck shell=bash
# The checks of the images; sourced by tests/image/run.

readonly binary=/usr/local/bin/glance-revert
readonly deleted_image=5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c03

# Creates a container of image $1; sets $container, $fs (its files) and $inside, a command prefix that runs
# another command in it as a cluster would: with Glance's uid, a read-only root file system, a /tmp, and the
# machine's names and network.
enter() {
    image=$1
    container=$(buildah_ from --pull-never "$image")
    fs=$(buildah_ mount "$container")
    # An engine mounts these.
    touch "$fs/etc/hosts" "$fs/etc/resolv.conf"
    # shellcheck disable=SC2016  # the inner shell expands it
    inside=(setpriv --pdeathsig KILL unshare --mount sh -euc '
        fs=$1; shift
        mount --bind "$fs" "$fs"
        mount --bind /etc/hosts "$fs/etc/hosts"
        mount --bind /etc/resolv.conf "$fs/etc/resolv.conf"
        mount -o remount,bind,ro "$fs"
        mount -t tmpfs -o mode=1777 tmpfs "$fs/tmp"
        exec chroot --userspec=42424:42424 "$fs" "$@"
    ' sh "$fs")
}

leave() {
    buildah_ umount "$container" >/dev/null
    buildah_ rm "$container" >/dev/null
}

expect() {
    [[ $2 == "$3" ]] || die "$image: $1 is $2, not $3"
}

config() { jq -c ".Docker.config$1" <<<"$inspected"; }

# The image's metadata.
check_config() {
    local inspected
    inspected=$(buildah_ inspect --type image "$image")
    expect User "$(config .User)" '"65532:65532"'
    expect Entrypoint "$(config .Entrypoint)" "[\"$binary\"]"
    expect Cmd "$(config .Cmd)" '["serve"]'
    expect Healthcheck "$(config '.Healthcheck.Test[1:]')" "[\"$binary\",\"healthcheck\",\"--live\"]"
    expect "label version" "$(config '.Labels["org.opencontainers.image.version"]')" "\"$version\""
    expect "label revision" "$(config '.Labels["org.opencontainers.image.revision"]')" "\"$commit\""
    expect --version "$("${inside[@]}" $binary --version)" "glance-revert $version ($commit)"
}

# Host names can be resolved, so the libraries that libc needs for that exist.
check_names() {
    local told
    told=$(OS_DATABASE__CONNECTION=mysql+pymysql://nobody@localhost:1/none "${inside[@]}" $binary check || true)
    [[ $told == *"the database cannot be reached"* && $told != *"lookup address"* ]] ||
        die "$image: localhost is not found: $told"
}

# A whole life cycle: start, health, a revert over HTTP, stop.
check_life() {
    local told header answer ops api began=$SECONDS
    told=$(mktemp -p "$work")
    "${inside[@]}" $binary demo --folder /tmp/demo >"$told" 2>&1 &
    server=$!
    until grep -q 'Ctrl-C ends the demo' "$told"; do
        [[ -d /proc/$server ]] && ((SECONDS - began < 30)) || die "$image: no start: $(cat "$told")"
        sleep 0.1
    done
    api=$(sed -n 's#.* \(http://127[0-9.:]*\)/v2/pending-deletes$#\1#p' "$told")
    ops=$(sed -n 's#.*http://\(127[0-9.:]*\)/readyz$#\1#p' "$told")
    "${inside[@]}" $binary healthcheck --live --address "$ops" || die "$image: not live"
    "${inside[@]}" $binary healthcheck --address "$ops" || die "$image: not ready"
    header=$(cat "/proc/$server/root/tmp/demo/admin-header")
    answer=$(curl --fail --silent --show-error --header "$header" --request POST \
        "$api/v2/images/$deleted_image/actions/revert")
    expect "the reverted image's status" "$(jq -r .status <<<"$answer")" active
    kill -TERM "$server"
    wait "$server" || die "$image: ends with $? on SIGTERM"
    server=
    ! "${inside[@]}" $binary healthcheck --live --address "$ops" 2>/dev/null || die "$image: still live"
}

# Small, and without tools for an intruder.
check_minimal() {
    local found bytes compressed
    enter "$1"
    check_config
    check_names
    check_life
    found=$(find "$fs" -type f -perm /111 ! -name '*.so*' ! -path "$fs$binary")
    [[ -z $found ]] || die "$image: also has programs: $found"
    found=$(find "$fs" -perm /6000)
    [[ -z $found ]] || die "$image: files with the bits of another user: $found"
    bytes=$(find "$fs" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
    compressed=$(tar -C "$fs" -c . | gzip | wc -c)
    say "$image: $((bytes / 1000)) kB, compressed $((compressed / 1000)) kB"
    ((bytes < most)) || die "$image: larger than $((most / 1000)) kB"
    leave
}

# The image with Ceph's client: it can be loaded.
check_debian() {
    local bytes
    enter "$1"
    check_config
    check_names
    check_life
    "${inside[@]}" sh -euc 'for lib in librados.so.2 librbd.so.1; do
        ldconfig -p | grep -q "$lib" && ! ldd "$(ldconfig -p | sed -n "s/.*$lib .*=> //p" | head -n 1)" | grep "not found"
    done' || die "$image: Ceph's client cannot be loaded"
    bytes=$(find "$fs" -xdev -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
    say "$image: $((bytes / 1000)) kB"
    leave
}

# The same sources produce the same bytes.
check_reproducible() {
    local first second
    enter glance-revert
    first=$(sha256sum <"$fs$binary")
    leave
    buildah_ rmi --force glance-revert >/dev/null
    build '' glance-revert --no-cache
    enter glance-revert
    second=$(sha256sum <"$fs$binary")
    leave
    expect "the second build's hash" "$second" "$first"
    say "built twice, the same bytes"
}
