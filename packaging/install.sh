#!/bin/sh
# Installs the Control Tower agent on a Debian (12 or newer) or Ubuntu (22.04 or newer) host: a virtual
# environment of its own, the `tower` command, a configuration file and two systemd units.
#
#   packaging/install.sh                         from the source tree this script is in
#   packaging/install.sh --from FILE.whl         from a wheel
#       --wheels DIR        take every Python package from DIR, for a host without internet
#       --python PROGRAM    this Python (3.11 or newer) instead of the newest installed
#       --no-packages       install no Debian packages; say what is missing
#       --start             start the agent, or restart it after an upgrade
#       --root DIR          into the file system below DIR (an image): no packages, nothing started
#
#   packaging/install.sh --uninstall             remove the agent; settings and state stay
#       --purge             and also /etc/control-tower and /var/lib/control-tower
#
# May be run again: what is there already is left alone or brought up to date, and the version before this
# one is kept, so that `ln -sfn` of /opt/control-tower/current goes back to it.
set -eu
umask 022

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
from=$(dirname -- "$here")
wheels='' python='' root='' packages=yes start=no uninstall=no purge=no

say()  { printf 'install: %s\n' "$*"; }
warn() { printf 'install: note: %s\n' "$*" >&2; }
fail() { printf 'install: %s\n' "$*" >&2; exit 1; }
usage() { sed -n '2,/^set -eu/{/^set -eu/d;s/^# \{0,1\}//;p}' "$0"; }

value() { [ $# -ge 2 ] && [ -n "$2" ] || { printf 'install: %s needs a value\n' "$1" >&2; exit 2; }; }
while [ $# -gt 0 ]; do
    case $1 in
        --from)        value "$@"; from=$2; shift ;;
        --wheels)      value "$@"; wheels=$2; shift ;;
        --python)      value "$@"; python=$2; shift ;;
        --root)        value "$@"; root=${2%/}; packages=no; shift ;;
        --no-packages) packages=no ;;
        --start)       start=yes ;;
        --uninstall)   uninstall=yes ;;
        --purge)       purge=yes ;;
        -h|--help)     usage; exit 0 ;;
        *) printf 'install: there is no option %s; see --help\n' "$1" >&2; exit 2 ;;
    esac
    shift
done

prefix=/opt/control-tower
command=$root/usr/local/bin/tower
unit=$root/etc/systemd/system/tower.service
keeper=$root/etc/systemd/system/tower-keeper.service
settings=$root/etc/control-tower
state=$root/var/lib/control-tower
completion=$root/usr/share/bash-completion/completions/tower

[ "$(uname -s)" = Linux ] || fail 'the agent runs on Linux hosts only'
[ "$(id -u)" = 0 ] || fail 'run it as root: sudo packaging/install.sh'

has_systemd() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

# ---- uninstall ----------------------------------------------------------------------------------------------

if [ "$uninstall" = yes ]; then
    if has_systemd && systemctl cat tower.service >/dev/null 2>&1; then
        # HAProxy outlives a stopped agent on purpose; here it has to go as well.
        systemctl disable tower.service >/dev/null 2>&1 || true
        systemctl kill --kill-whom=all --signal=SIGTERM tower.service 2>/dev/null || true
        systemctl stop tower.service || true
        systemctl kill --kill-whom=all --signal=SIGKILL tower.service 2>/dev/null || true
    fi
    if has_systemd && systemctl cat tower-keeper.service >/dev/null 2>&1; then
        systemctl disable --now tower-keeper.service >/dev/null 2>&1 || true
    fi
    if [ -z "$root" ] && command -v docker >/dev/null 2>&1; then
        # Nothing stops it any more when the cluster starts it elsewhere.
        for container in $(docker ps -q --filter label=tower.fenced=strict 2>/dev/null); do
            warn "stopping container $container: it must never run twice (singleton)"
            docker stop "$container" >/dev/null || true
        done
    fi
    rm -f "$unit" "$keeper" "$completion"
    # Only a link of ours: somebody may have another program of that name.
    case $(readlink "$command" 2>/dev/null || true) in "$prefix"/*) rm -f "$command" ;; esac
    rm -rf "$root/opt/control-tower"
    ! has_systemd || systemctl daemon-reload
    if [ "$purge" = yes ]; then
        rm -rf "$settings" "$state"
        say 'the agent, its settings and its state are removed; containers run on'
    else
        say "the agent is removed; $settings and $state stay (--purge removes them); containers run on"
    fi
    exit 0
fi

# ---- what it stands on --------------------------------------------------------------------------------------

[ -e "$from" ] || fail "there is no $from (--from)"
[ -z "$wheels" ] || [ -d "$wheels" ] || fail "there is no directory $wheels (--wheels)"

if [ -r /etc/os-release ] && [ -z "$root" ]; then
    # shellcheck disable=SC1091  # a file of the host
    release=$(. /etc/os-release && printf '%s %s' "${ID:-unknown}" "${VERSION_ID:-0}")
    case $release in
        debian\ 1[2-9]*|debian\ 0|ubuntu\ 2[2-9].*|ubuntu\ [3-9]?.*) ;;
        *) warn "this is $release; tried are Debian 12 and Ubuntu 22.04 and newer" ;;
    esac
fi

is_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
has_venv()  { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }
find_python() {
    for name in "$python" python3.14 python3.13 python3.12 python3.11 python3; do
        if [ -n "$name" ] && is_python "$name"; then printf '%s' "$name"; return; fi
        [ -z "$python" ] || return 0
    done
}
apt_install() {
    [ "$packages" = yes ] && command -v apt-get >/dev/null 2>&1 || return 1
    say "installing $*"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }
}

chosen=$(find_python)
if [ -z "$chosen" ] && [ -z "$python" ]; then
    apt_install python3.11 python3.11-venv || true
    chosen=$(find_python)
fi
[ -n "$chosen" ] || fail "Python 3.11 or newer is missing${python:+ ($python is not)}: apt-get install python3.11 python3.11-venv"
if ! has_venv "$chosen"; then
    version=$("$chosen" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    apt_install "python$version-venv" || true
    has_venv "$chosen" || fail "$chosen cannot make virtual environments: apt-get install python$version-venv"
fi

if ! command -v haproxy >/dev/null 2>&1; then
    if apt_install haproxy; then
        # The agent runs an HAProxy of its own; the package's would hold the ports.
        ! has_systemd || systemctl disable --now haproxy.service >/dev/null 2>&1 || true
    else
        warn 'HAProxy is missing: this host will route nothing until it is there (apt-get install haproxy)'
    fi
fi
if command -v haproxy >/dev/null 2>&1; then
    version=$(haproxy -v 2>/dev/null | sed -n '1s/^HA-\{0,1\}Proxy version \([0-9]*\.[0-9]*\).*/\1/p')
    case $version in
        2.[6-9]|[3-9].*) ;;
        *) warn "HAProxy $version is too old (2.6 is needed): set haproxy.enabled = false, or install a newer one" ;;
    esac
fi
[ -n "$root" ] || [ -S /var/run/docker.sock ] ||
    warn 'there is no Docker on this host yet (20.10 or newer is needed); the agent will wait for it'

# ---- the agent ----------------------------------------------------------------------------------------------

# A release is named after what it was made from: the same source again is nothing to do.
if [ -d "$from" ]; then
    [ -f "$from/pyproject.toml" ] || fail "$from is no source tree of Control Tower"
    content=$(cd "$from" && { cat pyproject.toml; find agent cluster web -type f ! -name '*.pyc' ! -path 'web/ui/*' -exec cksum {} + | sort; } | cksum)
else
    case $from in *.whl) ;; *) fail "$from is neither a wheel nor a source tree" ;; esac
    content=$(cksum < "$from")
fi
release=$prefix/releases/$(printf '%s' "$content" | tr -s ' ' '-')

if [ -x "$root$release/bin/tower" ]; then
    say 'this version is installed already'
else
    say "installing the agent with $("$chosen" --version)"
    rm -rf "$root$release"
    mkdir -p "$root$prefix/releases"
    # Whatever fails from here on leaves nothing half made behind.
    trap 'rm -rf "$root$release"' EXIT
    trap 'exit 1' HUP INT TERM
    "$chosen" -m venv "$root$release"
    set -- --quiet --disable-pip-version-check --no-input
    [ -z "$wheels" ] || set -- "$@" --no-index --find-links "$wheels"
    lock=$(dirname -- "$here")/requirements.lock
    if [ -f "$lock" ]; then
        # The versions that were tested. As constraints they cannot carry hashes.
        sed -e '/^[[:space:]]*--hash/d' -e 's/[[:space:]]*\\$//' "$lock" > "$root$release/constraints.txt"
        set -- "$@" --constraint "$root$release/constraints.txt"
    fi
    "$root$release/bin/python" -m pip install "$@" "$from" ||
        fail 'the Python packages could not be installed; without internet give --wheels DIR'
    "$root$release/bin/tower" version >/dev/null || fail 'the installed agent does not start'
    trap - EXIT HUP INT TERM
fi

previous=$(readlink "$root$prefix/current" 2>/dev/null || true)
ln -sfn "$release" "$root$prefix/current.new"
mv -fT "$root$prefix/current.new" "$root$prefix/current"
# This release and the one before it stay.
for old in "$root$prefix/releases"/*; do
    case ${old#"$root"} in "$release"|"$previous") ;; *) rm -rf "$old" ;; esac
done

mkdir -p "$(dirname "$command")" "$(dirname "$unit")" "$(dirname "$completion")" "$settings"
ln -sfn "$prefix/current/bin/tower" "$command"
"$root$release/bin/tower" completion bash > "$completion"
install -d -m 0700 "$state"

if [ ! -e "$settings/tower.toml" ]; then
    "$root$release/bin/tower" config example > "$settings/tower.toml"
    chmod 0640 "$settings/tower.toml"
    say "settings to change, all with their defaults: $settings/tower.toml"
fi
install -m 0644 "$here/systemd/tower.service" "$unit"
install -m 0644 "$here/systemd/tower-keeper.service" "$keeper"

# ---- running it ---------------------------------------------------------------------------------------------

if ! has_systemd; then
    say 'installed; next: tower init, or tower join HOST --token TOKEN, then tower run'
    exit 0
fi
systemctl daemon-reload
# The keeper runs from here on. Of an upgrade it takes a moment, in which every lease lasts; the agent has to
# find it awake.
systemctl enable tower-keeper.service >/dev/null 2>&1
systemctl restart tower-keeper.service || fail 'the keeper did not start; journalctl -u tower-keeper says why'
if [ "$start" = yes ]; then
    systemctl enable tower.service >/dev/null 2>&1
    systemctl restart tower.service || fail 'the agent did not start; journalctl -u tower says why'
    say 'the agent runs'
elif systemctl is-active --quiet tower.service; then
    say 'installed; the running agent is still the old one: systemctl restart tower'
else
    say 'installed; next: tower init, or tower join HOST --token TOKEN'
fi
