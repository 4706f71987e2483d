# shellcheck shell=bash
# Builds the base images from Debian's packages; sourced by tests/image/run.

# The default of an ARG of the Dockerfile.
base_name() { sed -n "s/^ARG $1=//p" "$root/Dockerfile"; }

# Commits a Debian of the Dockerfile's release as image $1, with the packages $2 (a,b,c) and the files of
# folder $3. An image from this week is reused, and so are the layers built on it.
make_base() {
    local name=$1 packages=$2 over=$3 container tar=$work/base.tar
    local label="made=$(date -u +%G-%V) $packages ${over:+$(rustc --version)}"
    [[ $(buildah_ inspect --type image --format '{{index .Docker.Config.Labels "made"}}' \
        "$name" 2>/dev/null) != "${label#made=}" ]] || return 0
    say "making $name"
    mmdebstrap --quiet --variant=minbase ${packages:+--include="$packages"} bookworm "$tar" \
        </dev/null >&2
    container=$(buildah_ from scratch)
    buildah_ add --quiet "$container" "$tar" / >/dev/null
    [[ -z $over ]] || buildah_ copy --quiet "$container" "$over" /usr/local >/dev/null
    buildah_ config --env CARGO_HOME=/usr/local/cargo --label "$label" "$container"
    buildah_ commit --quiet --rm "$container" "$name" >/dev/null
    rm "$tar"
}

# The base images of the Dockerfile, under its names.
make_bases() {
    local rust wanted have sysroot
    rust=$(base_name RUST_IMAGE)
    wanted=$(sed 's/.*rust:\([0-9.]*\)-.*/\1/' <<<"$rust")
    have=$(cd "$root" && rustc --version | cut -d' ' -f2)
    [[ $have == "$wanted" ]] ||
        not_run+=("Rust $wanted, which the Dockerfile names: this machine has $have")
    sysroot=$(cd "$root" && rustc --print sysroot)
    mkdir -p "$work/rust/bin"
    cp "$sysroot/bin/cargo" "$sysroot/bin/rustc" "$work/rust/bin/"
    cp -r "$sysroot/lib" "$work/rust/lib"
    make_base "$rust" gcc,libc6-dev,ca-certificates "$work/rust"
    rm -r "$work/rust"
    make_base "$(base_name DEBIAN_IMAGE)" '' ''
}
