#!/bin/sh
# Brings a machine from "git clone" to "make test": Debian packages, a virtual environment, the locked
# Python packages, the dashboard. Says what it installs, does nothing when nothing is to do, starts no daemon.
#
#   packaging/bootstrap.sh python     .venv with the locked packages and the project, editable
#   packaging/bootstrap.sh lab        what makes Docker hosts on this machine (root, Debian or Ubuntu)
#   packaging/bootstrap.sh browser    Chromium for the browser smoke test
#   packaging/bootstrap.sh ui         the dashboard, built into web/static when web/ui exists
#   packaging/bootstrap.sh databases  Prometheus, VictoriaMetrics and InfluxDB, which read or take our metrics
#   packaging/bootstrap.sh bench      what else the benchmarks measure beside us
#   packaging/bootstrap.sh clients    what else the MCP endpoint is tested with: the Inspector, the conformance
#                                     suite, the SDK's 1.x line
#
# `python` and `ui` end with status 1 when they cannot be had. The others always end with 0: without them less
# runs, and they say what is missing and how to get it.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
venv="$root/.venv"

say()  { printf 'bootstrap: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# ---- Debian packages ----------------------------------------------------------------------------------------

has_apt() { command -v apt-get >/dev/null 2>&1 && command -v dpkg-query >/dev/null 2>&1; }
is_root() { [ "$(id -u)" = 0 ]; }

# The given packages that are not installed.
missing_packages() {
    for package in "$@"; do
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$status" = installed ] || printf '%s ' "$package"
    done
}

# The given packages this distribution release offers.
offered_packages() {
    for package in "$@"; do
        candidate=$(LC_ALL=C apt-cache policy "$package" 2>/dev/null | sed -n 's/^ *Candidate: //p')
        case "$candidate" in '' | '(none)') ;; *) printf '%s ' "$package" ;; esac
    done
}

# Installs packages without letting their daemons start now or at boot: the lab runs its own dockerd, haproxy
# and registry, and a second dockerd in the host's namespace would set FORWARD to DROP under it.
apt_install() {
    say "installing Debian packages: $*"
    policy=/usr/sbin/policy-rc.d
    made_policy=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        made_policy=1
    fi
    status=0
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq \
        --no-install-recommends "$@" >"$log" 2>&1 </dev/null || status=$?
    [ -z "$made_policy" ] || rm -f "$policy"
    if [ "$status" != 0 ]; then
        tail -n 20 "$log" >&2
        return 1
    fi
    if [ -d /run/systemd/system ]; then
        for unit in docker.service docker.socket containerd.service haproxy.service docker-registry.service \
            etcd.service netdata.service prometheus.service prometheus-node-exporter.service \
            victoria-metrics.service influxdb.service; do
            package=${unit%.*}
            [ "$package" = docker ] && package=docker.io
            [ "$package" = etcd ] && package=etcd-server
            [ "$package" = netdata ] && package=netdata-core
            case " $* " in *" $package "*) systemctl disable --quiet "$unit" 2>/dev/null || true ;; esac
        done
    fi
}

# need_packages WHY PACKAGE...: status 0 when all are installed at the end.
need_packages() {
    why=$1
    shift
    if ! has_apt; then
        say "$why needs Debian or Ubuntu packages, and this machine has no apt-get: $*"
        return 1
    fi
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    if ! is_root; then
        say "$why needs root to install Debian packages; run: sudo apt-get install $missing"
        return 1
    fi
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    say "apt-get update"
    apt-get -o DPkg::Lock::Timeout=300 update -qq >"$log" 2>&1 </dev/null ||
        say "apt-get update did not succeed (going on with the lists there are): $(tail -n 1 "$log")"
    # shellcheck disable=SC2086  # a list of words
    offered=$(offered_packages $missing)
    # shellcheck disable=SC2086
    [ -z "$offered" ] || apt_install $offered || say "apt-get could not install: $offered"
    # shellcheck disable=SC2086
    missing=$(missing_packages $missing)
    [ -n "$missing" ] || return 0
    say "$why lacks: $missing(not offered by this release, or the installation failed)"
    return 1
}

# ---- Python -------------------------------------------------------------------------------------------------

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
can_make_venv() { "$1" -c 'import venv, ensurepip' 2>/dev/null; }

find_python() {
    for candidate in ${TOWER_PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 && is_new_enough "$candidate"; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

hash_of() {
    if command -v sha256sum >/dev/null 2>&1; then sha256sum; else shasum -a 256; fi
}

make_venv() {
    python=$(find_python || true)
    if [ -z "$python" ] && has_apt; then
        # The release's own Python where it is new enough, otherwise a newer one it offers beside it.
        need_packages "Python 3.11 or newer" python3 python3-venv || true
        python=$(find_python || true)
        if [ -z "$python" ]; then
            need_packages "Python 3.11 or newer" python3.11 python3.11-venv || true
            python=$(find_python || true)
        fi
    fi
    [ -n "$python" ] ||
        fail "needs Python 3.11 or newer; install one and name it: TOWER_PYTHON=/path/to/python3 make check"
    say "making .venv with $("$python" --version 2>&1) ($python)"
    rm -rf "$venv"
    if ! can_make_venv "$python" && has_apt && is_root; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        need_packages "a virtual environment" "python$version-venv" || need_packages "a virtual environment" python3-venv || true
    fi
    if can_make_venv "$python"; then
        "$python" -m venv "$venv"
    elif "$python" -m virtualenv --version >/dev/null 2>&1; then
        "$python" -m virtualenv -q "$venv"
    elif command -v uv >/dev/null 2>&1; then
        uv venv -q --seed --python "$python" "$venv"
    else
        fail "$python cannot make a virtual environment; run: sudo apt-get install python3-venv"
    fi
}

python_tier() {
    locked="$(cat requirements.lock packaging/bootstrap.sh | hash_of)"
    if [ "$(cat "$venv/.locked" 2>/dev/null || true)" != "$locked" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
        make_venv
        say "installing the locked Python packages into .venv (a minute or two)"
        # Two packages come as source; setuptools of the lock builds them, so nothing is fetched without a hash.
        sed -n '/^setuptools==/,/[^\\]$/p' requirements.lock >"$venv/setuptools.lock"
        for locked_file in "$venv/setuptools.lock" requirements.lock; do
            "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps \
                --no-build-isolation --use-pep517 --require-hashes -r "$locked_file" ||
                fail "pip could not install the packages of requirements.lock; see its message above"
        done
        printf '%s' "$locked" >"$venv/.locked"
    fi
    project="$(cat pyproject.toml packaging/build_hook.py | hash_of)"
    if [ "$(cat "$venv/.project" 2>/dev/null || true)" != "$project" ]; then
        say "installing the project, editable"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps --no-build-isolation \
            --editable . || fail "pip could not install the project; see its message above"
        printf '%s' "$project" >"$venv/.project"
    fi
}

# ---- the other tiers ----------------------------------------------------------------------------------------

lab_tier() {
    if [ "$(uname -s)" != Linux ]; then
        say "Docker hosts on one machine need Linux (network namespaces); this is $(uname -s)"
        return 0
    fi
    # docker-cli is a package of its own from Debian 13 on, and part of docker.io before.
    cli=
    if has_apt && [ -n "$(offered_packages docker-cli)" ]; then cli=docker-cli; fi
    # shellcheck disable=SC2086  # none or one word
    need_packages "the lab of Docker hosts" docker.io $cli docker-registry haproxy iproute2 iptables \
        busybox-static procps util-linux ca-certificates gcc libc6-dev || say "tests that need the lab will be skipped"
}

databases_tier() {
    [ "$(uname -s)" = Linux ] || return 0
    need_packages "trying metrics beside their databases" prometheus victoria-metrics influxdb ||
        say "tests with what is missing will be skipped, and it will not stand beside our figures"
}

browser_tier() {
    [ "$(uname -s)" = Linux ] || return 0
    if has_apt; then
        need_packages "trusting a cluster's CA in the browser" libnss3-tools ||
            say "the test of certificates in Chromium will be skipped"
    fi
    if command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1; then
        return 0
    fi
    # Ubuntu's chromium packages only install a snap, which containers and CI cannot run.
    if grep -q '^ID=debian' /etc/os-release 2>/dev/null; then
        need_packages "the browser smoke test" chromium fonts-liberation || say "the browser smoke test will be skipped"
    elif [ -z "$(find "${PLAYWRIGHT_BROWSERS_PATH:-$HOME/.cache/ms-playwright}" -maxdepth 1 -name 'chromium*' 2>/dev/null)" ]; then
        say "downloading Chromium through playwright"
        "$venv/bin/python" -m playwright install --with-deps chromium >&2 ||
            say "no Chromium; the browser smoke test will be skipped"
    fi
}

ui_tier() {
    "$venv/bin/python" packaging/build_hook.py || fail "the dashboard could not be built; see npm's message above"
}

# npm_client DIRECTORY WHAT: the packages of its lock. The Node is that of the Python lock, because they want 22
# or newer. Packages' scripts are not run.
npm_client() {
    directory=tests/support/$1
    locked="$(cat "$directory/package.json" "$directory/package-lock.json" | hash_of)"
    [ "$(cat "$directory/node_modules/.locked" 2>/dev/null || true)" != "$locked" ] || return 0
    say "installing $2 into $directory (half a minute)"
    if (cd "$directory" && PATH="$venv/bin:$PATH" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2); then
        printf '%s' "$locked" >"$directory/node_modules/.locked"
    else
        say "npm could not install $2, see its message above; the tests with it will be skipped"
    fi
}

# own_venv DIRECTORY WHAT LOSS INSTALL...: the packages of its lock in an environment of their own, because they
# and ours do not live in one. INSTALL is the command that puts them there.
own_venv() {
    directory=$1
    what=$2
    loss=$3
    shift 3
    locked="$(hash_of <"$directory/requirements.lock")"
    [ "$(cat "$directory/.venv/.locked" 2>/dev/null || true)" != "$locked" ] || return 0
    say "installing $what into $directory/.venv"
    if "$venv/bin/uv" venv -q --clear --python "$venv/bin/python" "$directory/.venv" >&2 &&
        "$@" -q --no-deps --require-hashes -r "$directory/requirements.lock" >&2; then
        printf '%s' "$locked" >"$directory/.venv/.locked"
    else
        say "could not install $what, see its message above; $loss"
    fi
}

clients_tier() {
    npm_client inspector "the MCP Inspector"
    npm_client conformance "MCP's conformance suite"
    own_venv tests/support/sdk1 "the MCP SDK's 1.x line" "the tests with it will be skipped" \
        "$venv/bin/uv" pip install --python tests/support/sdk1/.venv/bin/python
}

bench_tier() {
    [ "$(uname -s)" = Linux ] || return 0
    need_packages "what benchmarks measure beside us" etcd-server netdata-core ||
        say "what is missing will not stand beside our figures"
    # It asks for Python 3.12 and uses nothing that 3.11 lacks.
    server=tests/benchmarks/mcp_server_docker
    own_venv "$server" "mcp-server-docker" "it will not stand beside our figures" \
        "$venv/bin/python" -m pip --python "$server/.venv/bin/python" --disable-pip-version-check --no-input \
        install --ignore-requires-python
}

# ---- main ---------------------------------------------------------------------------------------------------

[ $# -gt 0 ] || fail "name what to prepare: python, lab, browser, databases, ui, bench, clients"
# One bootstrap at a time in this tree: a second one waits and then finds nothing to do.
if [ -z "${TOWER_BOOTSTRAP_LOCKED:-}" ] && command -v flock >/dev/null 2>&1; then
    TOWER_BOOTSTRAP_LOCKED=1 exec flock "$root/packaging" "$0" "$@"
fi
for tier in "$@"; do
    case "$tier" in
        python | lab | browser | databases | ui | bench | clients) ;;
        *) fail "unknown tier '$tier'; there are python, lab, browser, databases, ui, bench, clients" ;;
    esac
done

# Status 0 when a tier waits for the network and needs nothing of the tiers before it: then it runs beside them.
runs_beside() {
    case "$1" in
        lab | databases) python=$(find_python) && can_make_venv "$python" ;;  # otherwise Python takes apt's locks
        browser) grep -q '^ID=debian' /etc/os-release 2>/dev/null && python=$(find_python) && can_make_venv "$python" ;;
        bench | clients) [ "$first" = ui ] ;;  # they need Python's Node, uv and pip
        *) return 1 ;;
    esac
}

# The tiers $2... in their order, those that run beside $1 meanwhile; what is left to do is in $left.
prepare_with() {
    first=$1
    shift
    beside=
    left=
    for tier in "$@"; do
        if runs_beside "$tier"; then beside="$beside $tier"; else left="$left $tier"; fi
    done
    (for tier in $beside; do "${tier}_tier"; done) &
    others=$!
    # In a shell of its own, so that a tier that ends with status 1 leaves nothing running behind it.
    status=0
    ("${first}_tier") || status=$?
    wait "$others"
    [ "$status" = 0 ] || exit "$status"
}

# shellcheck disable=SC2086  # lists of words
while [ $# -gt 0 ]; do
    prepare_with "$@"
    set -- $left
done
