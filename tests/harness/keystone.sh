# shellcheck shell=bash
# A bootstrapped Keystone: its database, and keys of every kind, created by the real keystone-manage and kept
# in the cache; sourced by tests/run. The tests start servers on copies of it.

make_keystone() {
    # `make_venv` sets these, but Glance's are still needed.
    local venv stamp prepared script=$root/tests/harness/keystone.sh
    make_venv keystone
    prepared=$cache/keystone-$stamp-$(sha256sum <"$script" | cut -c1-12)
    if [[ ! -d $prepared ]]; then
        say "preparing a Keystone"
        bootstrap_keystone "$work/keystone"
        # Renamed atomically: another run sees all of it or nothing, and the first one wins.
        cp -r "$work/keystone" "$prepared.$$"
        mv -T "$prepared.$$" "$prepared" 2>/dev/null || rm -rf "$prepared.$$"
    fi
    export GLANCE_REVERT_TEST_KEYSTONE=$prepared GLANCE_REVERT_TEST_KEYSTONE_PYTHON=$venv/bin/python
}

# The paths are relative, because keystone-manage and the servers on its copies run in the folder. Without a
# cache Keystone needs about 200 ms for each call.
bootstrap_keystone() {
    local folder=$1
    (umask 077 && mkdir -p "$folder/jws/public" "$folder/jws/private")
    cat >"$folder/keystone.conf" <<'CONF'
[database]
connection = sqlite:///keystone.db
[fernet_tokens]
key_repository = fernet
[jwt_tokens]
jws_public_key_repository = jws/public
jws_private_key_repository = jws/private
[credential]
key_repository = credential
[identity]
password_hash_rounds = 4
[cache]
backend = dogpile.cache.memory_pickle
CONF
    local owner=(--keystone-user "$(id -un)" --keystone-group "$(id -gn)")
    (
        cd "$folder"
        keystone_manage db_sync
        keystone_manage fernet_setup "${owner[@]}"
        keystone_manage credential_setup "${owner[@]}"
        keystone_manage create_jws_keypair "${owner[@]}"
        mv private.pem jws/private/
        mv public.pem jws/public/
        OS_BOOTSTRAP_PASSWORD=keystone-admin keystone_manage bootstrap
    )
}

keystone_manage() {
    "$venv/bin/keystone-manage" --config-file keystone.conf "$@" >>"$work/keystone-manage.log" 2>&1 ||
        { tail -n 40 "$work/keystone-manage.log" >&2; die "keystone-manage $1 failed"; }
}
