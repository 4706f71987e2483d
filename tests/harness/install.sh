# shellcheck shell=bash
# Installs what the servers need on a fresh Debian; sourced by tests/run.

export PATH=$PATH:/usr/sbin:/sbin

# glance-scrubber --restore needs pgrep; uWSGI is compiled with Python's headers.
install_packages() {
    local missing=()
    command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null ||
        missing+=(mariadb-server mariadb-client)
    postgres_bin >/dev/null || missing+=(postgresql)
    command -v cc >/dev/null && command -v make >/dev/null || missing+=(build-essential)
    command -v setpriv >/dev/null || missing+=(util-linux)
    command -v pgrep >/dev/null || missing+=(procps)
    find_python >/dev/null || missing+=(python3 python3-dev python3-venv)
    [[ ${#missing[@]} -eq 0 ]] && return
    [[ $EUID -eq 0 ]] || die "not root; install these Debian packages and run again: ${missing[*]}"
    say "installing ${missing[*]}"
    apt_install "${missing[@]}"
}

# Sets $ceph if everything that its tests need is available; a machine may lack its packages, or have those of
# another Python.
install_ceph() {
    ceph=
    if ! has_ceph && [[ $EUID -eq 0 ]]; then
        say "installing Ceph"
        (apt_install ceph-mon ceph-osd ceph-common radosgw python3-rbd) || true
    fi
    if has_ceph; then
        ceph=1
    else
        say "no Ceph here: its tests are reported as ignored"
    fi
}

has_ceph() {
    local command
    for command in ceph ceph-mon ceph-osd rbd radosgw; do
        command -v "$command" >/dev/null || return
    done
    PYTHONPATH=/usr/lib/python3/dist-packages "$venv/bin/python" -c 'import rados, rbd' 2>/dev/null
}

# Sets GLANCE_REVERT_TEST_FAKETIME if it is available.
install_faketime() {
    local found
    found=$(find_faketime)
    if [[ -z $found && $EUID -eq 0 ]]; then
        say "installing libfaketime"
        (apt_install libfaketime) || true
        found=$(find_faketime)
    fi
    [[ -n $found ]] || { say "no libfaketime here: its tests are reported as ignored" && return; }
    export GLANCE_REVERT_TEST_FAKETIME=$found
}

find_faketime() { compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' || true; }

# A Python only for tools, if nothing else of the tests is needed.
install_python() {
    find_python >/dev/null && return
    [[ $EUID -eq 0 ]] || die "no Python 3.10 or newer with headers and venv"
    say "installing Python"
    apt_install python3 python3-dev python3-venv
}

# One installation at a time: apt does not wait for the lock of its lists.
apt_install() {
    { flock 8 && apt_install_alone "$@" 8>&-; } 8>/run/lock/glance-revert-apt
}

# Debian starts servers when it installs them; this prevents it, because ours are private.
apt_install_alone() {
    local policy=/usr/sbin/policy-rc.d ours='' status=0 log
    log=$(mktemp)
    if [[ ! -e $policy ]]; then
        ours=1
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    {
        export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
        apt-get -o DPkg::Lock::Timeout=300 -qq update &&
            apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "$@"
    } </dev/null >"$log" 2>&1 || status=$?
    [[ -z $ours ]] || rm -f "$policy"
    [[ $status -eq 0 ]] || tail -n 40 "$log" >&2
    rm -f "$log"
    [[ $status -eq 0 ]] || die "apt-get could not install $*"
}

# The first Python that can create virtual environments and compile extensions.
find_python() {
    local python
    for python in python3 /usr/bin/python3; do
        if command -v "$python" >/dev/null && "$python" - 2>/dev/null <<'PY'; then
import ensurepip, os, sys, sysconfig, venv
header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
sys.exit(sys.version_info < (3, 10) or not os.path.exists(header))
PY
            command -v "$python"
            return
        fi
    done
    return 1
}

# Creates the virtual environment of tests/requirements/$1.txt, named after everything that determines its
# content; sets $venv, and $stamp, which names its content. The marker is written last, so an interrupted
# installation is repeated. `flock` keeps two runs from creating the same one.
make_venv() {
    local python requirements=$root/tests/requirements/$1.txt
    python=$(find_python) || die "no Python 3.10 or newer with headers and venv"
    stamp=$({ cat "$requirements"; "$python" -VV; command -v "$python"; } | sha256sum | cut -c1-12)
    venv=$cache/venv-$1-$stamp
    mkdir -p "$cache"
    (
        flock 9
        [[ -e $venv/.complete ]] && exit
        say "installing $1 into $venv"
        rm -rf "$venv"
        "$python" -m venv "$venv"
        # uWSGI, built by several compilers at once, sometimes links before all is there
        CPUCOUNT=1 "$venv/bin/pip" install --quiet --disable-pip-version-check --no-input --retries 5 \
            -r "$requirements" </dev/null >&2
        touch "$venv/.complete"
    ) 9>"$cache/lock-$1"
}

# The system packages for runs that only need Python tools.
install_python() {
    find_python >/dev/null && return
    [[ $EUID -eq 0 ]] || die "not root; install python3, python3-dev and python3-venv"
    say "installing python3"
    apt_install python3 python3-dev python3-venv
}

# Installs the npm packages of tests/$1/package-lock.json; sets $modules, the folder that has
# node_modules.
install_modules() {
    modules=$cache/npm-$1-$(sha256sum <"$root/tests/$1/package-lock.json" | cut -c1-12)
    (
        flock 9
        [[ -e $modules/.complete ]] && exit
        say "installing npm packages into $modules"
        rm -rf "$modules"
        mkdir -p "$modules"
        cp "$root/tests/$1/package.json" "$root/tests/$1/package-lock.json" "$modules/"
        (cd "$modules" && npm ci --silent --ignore-scripts --no-audit --no-fund </dev/null >&2)
        touch "$modules/.complete"
    ) 9>"$cache/lock-npm-$1"
}
