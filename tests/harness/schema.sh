# shellcheck shell=bash
# An empty Glance database of each kind, created by the real `glance-manage db_sync` and kept in the cache;
# sourced by tests/run.

# Sets $schema, with the Glance in $venv.
make_schema() {
    local bin version
    bin=$(postgres_bin)
    version=$({ mariadbd --no-defaults --version; "$bin/postgres" --version; } | sha256sum | cut -c1-12)
    schema=$cache/schema-$stamp-$version
    if [[ ! -d $schema ]]; then
        say "making the schemas of Glance"
        sync_schemas "$work/schema-$stamp"
        # Renamed atomically: another run sees all of it or nothing, and the first one wins.
        cp -r "$work/schema-$stamp" "$schema.$$"
        mv -T "$schema.$$" "$schema" 2>/dev/null || rm -rf "$schema.$$"
    fi
    export GLANCE_REVERT_TEST_SCHEMA=$schema
}

# The template of each test's database on PostgreSQL.
load_template() {
    local bin
    bin=$(postgres_bin)
    "$bin/psql" -X -q -v ON_ERROR_STOP=1 -d "$postgres_url/postgres" \
        -c 'CREATE DATABASE glance_template' >&2
    "$bin/psql" -X -q -v ON_ERROR_STOP=1 -d "$postgres_url/glance_template" \
        -f "$schema/postgres.sql" >/dev/null
}

sync_schemas() {
    local folder=$1 bin
    bin=$(postgres_bin)
    mkdir "$folder"
    mariadb_client -e 'CREATE DATABASE glance_sync'
    "$bin/psql" -X -q -d "$postgres_url/postgres" -c 'CREATE DATABASE glance_sync' >&2
    db_sync "sqlite:///$folder/sqlite.db"
    db_sync "$GLANCE_REVERT_TEST_MARIADB/glance_sync"
    db_sync "$GLANCE_REVERT_TEST_POSTGRES/glance_sync"
    mariadb-dump --no-defaults --socket="$work/mariadb/sock" --user=root --skip-comments --skip-add-locks \
        --skip-add-drop-table glance_sync >"$folder/mariadb.sql"
    "$bin/pg_dump" --no-owner --no-privileges -d "$postgres_url/glance_sync" >"$folder/postgres.sql"
    mariadb_client -e 'DROP DATABASE glance_sync'
    "$bin/psql" -X -q -d "$postgres_url/postgres" -c 'DROP DATABASE glance_sync' >&2
}

db_sync() {
    local conf=$work/db_sync.conf
    (umask 077 && printf '[database]\nconnection = %s\n' "$1" >"$conf")
    "$venv/bin/python" "$root/tests/it/support/peers/python/upstream.py" manage --config-file "$conf" db_sync >"$work/db_sync.log" 2>&1 ||
        { tail -n 40 "$work/db_sync.log" >&2; die "glance-manage db_sync failed"; }
}
