# shellcheck shell=bash
# Private database servers on loopback; sourced by tests/run. They die with their parent, so tests/run must
# start them itself, never in a subshell.

# Their data need not survive, so nothing is synced to the disk, except for a bench.
mariadb_fast=(--innodb-flush-method=nosync --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0)
postgres_fast=(-c fsync=off -c synchronous_commit=off -c full_page_writes=off)
if [[ -n ${GLANCE_REVERT_TEST_DURABLE-} ]]; then
    mariadb_fast=()
    postgres_fast=()
fi

postgres_bin() {
    local folder
    folder=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
    [[ -n $folder ]] || folder=$(dirname "$(command -v postgres)" 2>/dev/null) || return 1
    [[ -x $folder/initdb ]] && printf '%s\n' "$folder"
}

# Named after this process; the next run removes what a killed run left.
make_work_folder() {
    local parent=${TMPDIR:-/tmp} old pid
    for old in "$parent"/glance-revert-test.*; do
        pid=${old##*glance-revert-test.}
        pid=${pid%%.*}
        [[ $pid =~ ^[0-9]+$ ]] && ! kill -0 "$pid" 2>/dev/null && rm -rf "$old"
    done
    work=$(mktemp -d "$parent/glance-revert-test.$$.XXXX")
    chmod 711 "$work"
    mkdir "$work/tmp" "$work/mariadb" "$work/postgres"
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
}

# Below the range of ports that the kernel uses for outgoing connections.
free_port() {
    "$venv/bin/python" - <<'PY'
import random, socket
while True:
    port = random.randrange(20000, 32000)
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break
PY
}

# Waits until `$3...` succeeds, for at most 60 s, as long as process `$2` lives; otherwise shows log `$1`.
wait_for() {
    local log=$1 pid=$2 tries=300
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ! kill -0 "$pid" 2>/dev/null || ((--tries == 0)); then
            tail -n 40 "$log" >&2
            die "a server did not start: $*"
        fi
        sleep 0.2
    done
}

start_mariadb() {
    local folder=$work/mariadb port
    port=$(free_port)
    mariadb-install-db --no-defaults --datadir="$folder/data" --user="$(id -un)" \
        --auth-root-authentication-method=normal --skip-test-db >"$folder/install.log" 2>&1 ||
        { tail -n 40 "$folder/install.log" >&2; die "mariadb-install-db failed"; }
    setpriv --pdeathsig KILL mariadbd --no-defaults --user="$(id -un)" --datadir="$folder/data" \
        --socket="$folder/sock" --pid-file="$folder/pid" --bind-address=127.0.0.1 --port="$port" \
        --skip-name-resolve --skip-log-bin --character-set-server=utf8mb4 --max-connections=500 \
        "${mariadb_fast[@]}" \
        </dev/null >"$folder/log" 2>&1 &
    servers+=("KILL $!")
    wait_for "$folder/log" $! mariadb-admin --no-defaults --socket="$folder/sock" --user=root ping
    mariadb_client <<SQL
CREATE USER glance@'127.0.0.1' IDENTIFIED BY '$password';
GRANT ALL PRIVILEGES ON *.* TO glance@'127.0.0.1' WITH GRANT OPTION;
SQL
    export GLANCE_REVERT_TEST_MARIADB="mysql+pymysql://glance:$password@127.0.0.1:$port"
}

mariadb_client() { mariadb --no-defaults --socket="$work/mariadb/sock" --user=root "$@"; }

# PostgreSQL refuses to run as root: options for setpriv to run it as another user.
postgres_user() {
    local user=nobody
    as_user=()
    [[ $EUID -eq 0 ]] || return 0
    ! id postgres >/dev/null 2>&1 || user=postgres
    as_user=(--reuid "$user" --regid "$(id -g "$user")" --clear-groups)
    chown -R "$user" "$1"
}

start_postgres() {
    local folder=$work/postgres bin port
    bin=$(postgres_bin)
    port=$(free_port)
    (umask 077 && printf '%s\n' "$password" >"$folder/password")
    postgres_user "$folder"
    (cd / && setpriv "${as_user[@]}" "$bin/initdb" --pgdata="$folder/data" --username=glance --auth=scram-sha-256 \
        --pwfile="$folder/password" --encoding=UTF8 --no-locale --no-sync) >"$folder/install.log" 2>&1 ||
        { tail -n 40 "$folder/install.log" >&2; die "initdb failed"; }
    # mmap: the files of a killed server then are in its folder, not in /dev/shm.
    cd /
    setpriv "${as_user[@]}" --pdeathsig QUIT "$bin/postgres" -D "$folder/data" -k "$folder" -p "$port" \
        -c listen_addresses=127.0.0.1 "${postgres_fast[@]}" -c max_connections=300 \
        -c dynamic_shared_memory_type=mmap -c log_timezone=UTC -c timezone=UTC \
        </dev/null >"$folder/log" 2>&1 &
    servers+=("QUIT $!")
    cd - >/dev/null
    postgres_url=postgresql://glance:$password@127.0.0.1:$port
    wait_for "$folder/log" $! "$bin/psql" -X -d "$postgres_url/postgres" -c 'SELECT 1'
    export GLANCE_REVERT_TEST_POSTGRES="postgresql+psycopg2://glance:$password@127.0.0.1:$port"
}

# Stops them by process id, and returns when all are gone.
stop_servers() {
    local server
    for server in "${servers[@]}"; do
        kill -s "${server% *}" "${server#* }" 2>/dev/null || true
    done
    for server in "${servers[@]}"; do
        insist "${server#* }"
    done
    servers=()
}

# Waits up to 10 s for a process (or a group, `-pid`) that was asked to end, then kills it.
insist() {
    local tries=100
    while kill -0 -- "$1" 2>/dev/null && ((--tries > 0)); do sleep 0.1; done
    kill -s KILL -- "$1" 2>/dev/null || true
    wait "${1#-}" 2>/dev/null || true
}

stop_group() {
    kill -s TERM -- "-$1" 2>/dev/null || return 0
    insist "-$1"
}
