# shellcheck shell=bash
# Servers that Debian stable does not have: MySQL, and a PgBouncer that keeps prepared statements; sourced by
# tests/run. Their packages from Debian unstable are unpacked into a folder of the cache and run there with
# their own libraries: nothing is installed.

# Sets $sid, the folder; empty if it is not available, and the tests are then reported as ignored.
install_sid() {
    local stamp
    stamp=$(sha256sum <"$root/tests/harness/sid.sh" | cut -c1-12)
    sid=$cache/sid-$stamp
    [[ -d $sid ]] && return
    if [[ $EUID -eq 0 ]]; then
        say "unpacking MySQL and PgBouncer"
        if (unpack_sid "$sid.$$") >"$work/sid.log" 2>&1; then
            mv -T "$sid.$$" "$sid" 2>/dev/null || rm -rf "$sid.$$"
            return
        fi
        rm -rf "$sid.$$"
        tail -n 5 "$work/sid.log" >&2
    fi
    sid=
    say "no MySQL and no newer PgBouncer here: their tests are reported as ignored"
}

# A mirror's list of unstable may be expired; its signature is still checked.
unpack_sid() {
    command -v mmdebstrap >/dev/null || apt_install mmdebstrap || return
    mmdebstrap --variant=extract --include=mysql-server-core,pgbouncer \
        --aptopt='Acquire::Check-Valid-Until "false"' sid "$1" "$(debian_mirror)" || return
    rm -rf "$1/usr/share/doc" "$1/usr/share/man" "$1/usr/share/locale" "$1/var"
}

# The source of this machine's own packages.
debian_mirror() {
    local mirrors
    mirrors=$(sed -nE 's/^URIs: *([^ ]+\/debian)\/?( .*)?$/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]+\/debian)\/? .*/\2/p' \
        /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list 2>/dev/null) || true
    printf '%s\n' "${mirrors%%$'\n'*}"
}

# The command prefix that runs a program of $sid.
from_sid() {
    local libraries
    libraries=$(find "$sid"/usr/lib/*-linux-gnu -maxdepth 1 -type d | paste -sd :)
    in_sid=("$(echo "$sid"/usr/lib/*-linux-gnu/ld-linux-*.so.*)" --library-path "$libraries" "$sid/usr/sbin/$1")
}

# With TLS for clients that request it; `caching_sha2_password` is the default.
start_mysql() {
    local folder=$work/mysql port mysql
    mkdir "$folder"
    port=$(free_port)
    from_sid mysqld
    mysql=("${in_sid[@]}" --no-defaults --user="$(id -un)" --basedir="$sid/usr" --datadir="$folder/data"
        --lc-messages-dir="$sid/usr/share/mysql" --character-sets-dir="$sid/usr/share/mysql/charsets"
        --plugin-dir="$sid/usr/lib/mysql/plugin" --secure-file-priv=NULL)
    "${mysql[@]}" --initialize-insecure >"$folder/install.log" 2>&1 ||
        { tail -n 40 "$folder/install.log" >&2; die "mysqld --initialize failed"; }
    cat >"$folder/init.sql" <<SQL
CREATE USER glance@'%' IDENTIFIED BY '$password';
GRANT ALL PRIVILEGES ON *.* TO glance@'%' WITH GRANT OPTION;
SQL
    setpriv --pdeathsig KILL "${mysql[@]}" --init-file="$folder/init.sql" --tls-version= \
        --socket="$folder/sock" --pid-file="$folder/pid" --bind-address=127.0.0.1 --port="$port" \
        --mysqlx=OFF --skip-name-resolve --skip-log-bin --innodb-flush-method=nosync \
        --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 </dev/null >"$folder/log" 2>&1 &
    servers+=("KILL $!")
    # Over the socket a password may be sent in plain text, and then the server has it in its cache: the
    # tests' own clients cannot send it without TLS.
    wait_for "$folder/log" $! "$venv/bin/python" -c \
        "import pymysql; pymysql.connect(unix_socket='$folder/sock', user='glance', password='$password')"
    export GLANCE_REVERT_TEST_MYSQL="mysql+pymysql://glance:$password@127.0.0.1:$port"
    export GLANCE_REVERT_TEST_MYSQL_SOCKET=$folder/sock
}

# Two instances in front of PostgreSQL: one shares sessions between transactions, which loses every lock, and
# one gives each client a session.
start_pgbouncers() {
    local folder=$work/pgbouncer mode
    mkdir "$folder"
    (umask 077 && printf '"glance" "%s"\n' "$password" >"$folder/users")
    # It does not run as root, and other users may not be able to read the cache.
    from_sid pgbouncer
    mkdir "$folder/lib"
    "${in_sid[0]}" --list "${in_sid[@]:1}" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p' | xargs cp -Lt "$folder/lib"
    cp -L "${in_sid[0]}" "$folder/lib/ld.so"
    cp "$sid/usr/sbin/pgbouncer" "$folder/"
    for mode in transaction session; do start_pgbouncer "$mode"; done
    export GLANCE_REVERT_TEST_PGBOUNCER=$transaction_bouncer
    export GLANCE_REVERT_TEST_PGBOUNCER_SESSION=$session_bouncer
}

# Sets the variable `$1_bouncer`, its URL.
start_pgbouncer() {
    local mode=$1 folder=$work/pgbouncer port
    port=$(free_port)
    cat >"$folder/$mode.ini" <<INI
[databases]
* = host=127.0.0.1 port=${postgres_url##*:} auth_dbname=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $folder/users
auth_user = glance
pool_mode = $mode
max_prepared_statements = 100
INI
    as_user=()
    postgres_user "$folder"
    setpriv "${as_user[@]}" --pdeathsig KILL "$folder/lib/ld.so" --library-path "$folder/lib" \
        "$folder/pgbouncer" "$folder/$mode.ini" </dev/null >"$folder/$mode.log" 2>&1 &
    servers+=("KILL $!")
    wait_for "$folder/$mode.log" $! bash -c ": >/dev/tcp/127.0.0.1/$port"
    printf -v "${mode}_bouncer" %s "postgresql+psycopg2://glance:$password@127.0.0.1:$port"
}
