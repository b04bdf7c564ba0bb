#!/usr/bin/env bash
# Makes this checkout ready to use, on a fresh machine too: `make` calls it, people need not.
#
#   tools/bootstrap.sh run    Python, .venv, the product's locked packages
#   tools/bootstrap.sh test   the same, what the tests need: firmware toolchain, strace
#   tools/bootstrap.sh soak   the same, and the fuzzers of the long tests
#   tools/bootstrap.sh bench  the same, and the rival planners that the benchmarks compare with
#
# It is quick when there is nothing to do: .venv remembers which lock it was made from.
# It installs Debian packages only as root or where `sudo` asks for no password; elsewhere it
# says which ones are missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=.venv
OLDEST_PYTHON=3.11
# The firmware's toolchain, and what makes disks fail in the crash tests.
TEST_PACKAGES=(gcc g++ make gcc-avr avr-libc arduino-core-avr libsimavr-dev libelf-dev strace)
FUZZER_PACKAGES=(clang libclang-rt-dev)

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "error: $*"
    exit 1
}

# --- Debian packages ---------------------------------------------------------------------------

is_debian() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }

# Prints how to become root ("" when we are), fails when we may not.
root_prefix() {
    if [ "$(id -u)" -eq 0 ]; then
        echo ""
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        echo "sudo -n"
    else
        return 1
    fi
}

missing_packages() {
    local package
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            printf '%s ' "$package"
    done
}

# install_packages PACKAGE...: quick when all are there; fails, with the reason, when it cannot.
install_packages() {
    local missing prefix output
    is_debian || {
        say "These are needed, under the names that Debian gives them: $*"
        return 1
    }
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    prefix=$(root_prefix) || {
        say "Missing Debian packages. Install them with:  sudo apt-get install $missing"
        return 1
    }
    say "Installing Debian packages: $missing"
    # A fresh machine has no package lists. What apt says matters only when it fails.
    # shellcheck disable=SC2086  # both are lists of plain words
    output=$({ $prefix apt-get update -qq && $prefix env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends $missing; } </dev/null 2>&1) || {
        say "$output"
        say "apt-get could not install: $missing"
        return 1
    }
}

# --- Python ------------------------------------------------------------------------------------

# Debian ships a Python whose venv and pip are in a package of their own: ask for all of it.
is_usable_python() {
    "$1" -c "
import sys, venv, ensurepip
sys.exit(sys.version_info < tuple(map(int, '$OLDEST_PYTHON'.split('.'))))" >/dev/null 2>&1
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if command -v "$candidate" >/dev/null && is_usable_python "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

ensure_python() {
    find_python && return
    say "No Python $OLDEST_PYTHON or newer with venv and pip was found."
    install_packages python3 python3-venv ||
        fail "install Python $OLDEST_PYTHON or newer with venv (Debian: python3-venv), or set PYTHON."
    find_python || fail "this system's python3 is older than $OLDEST_PYTHON: set PYTHON to a newer one."
}

# --- The virtual environment -------------------------------------------------------------------

# A stamp holds all that an installation was made from: comparing it needs no hash, no parsing.
# The folder is part of it, because a virtual environment cannot be moved.
stamp_text() {
    pwd
    cat "$@"
}

is_current() {
    local stamp=$1
    shift
    [ -f "$stamp" ] && stamp_text "$@" | cmp -s - "$stamp"
}

make_venv() {
    local python
    python=$(ensure_python)
    say "Creating $VENV with $("$python" --version)"
    "$python" -m venv --clear "$VENV"
    pip_install -r requirements/installer.lock --only-binary :all: || say "Going on without uv."
}

pip_install() {
    "$VENV/bin/pip" install -qq --disable-pip-version-check --require-hashes --no-deps "$@"
}

# Exactly the locked packages: what a lock no longer names goes away. uv is ten times faster than
# pip, but does not read pip's settings, where a company may name its own index: then pip does it.
install_locked() {
    local lock=requirements/$1.lock
    say "Installing the packages of $lock"
    # Compiled now, as pip does: some systems forbid Python to do it later, and then numpy alone
    # costs every start 0.2 s.
    "$VENV/bin/uv" pip sync --quiet --python "$VENV/bin/python" --compile-bytecode \
        --require-hashes "$lock" || {
        say "uv could not do it; pip, with its own settings, tries now (about a minute)."
        pip_install -r "$lock" || fail "no package index could be reached, or it lacks a package."
    }
    rm -f "$VENV/stamp-project" # the project itself is not in its lock, so `sync` removed it
    stamp_text "$lock" >"$VENV/stamp-$1"
}

# Editable: an edit is live, and no package is built or copied.
install_project() {
    "$VENV/bin/pip" install -qq --disable-pip-version-check --no-deps --no-build-isolation \
        --editable .
    stamp_text pyproject.toml >"$VENV/stamp-project"
}

# Each set holds the one before: `make run` need not take away what `make test` has installed.
largest_set() {
    local set=$1
    [ "$set" != run ] || [ ! -f "$VENV/stamp-dev" ] || set=dev
    [ "$set" = bench ] || [ ! -f "$VENV/stamp-soak" ] || set=soak
    [ ! -f "$VENV/stamp-bench" ] || set=bench
    echo "$set"
}

ensure_venv() {
    local set
    set=$(largest_set "$1")
    if ! { "$VENV/bin/python" -c '' && is_current "$VENV/stamp-venv" requirements/installer.lock; } \
        2>/dev/null; then
        make_venv
        stamp_text requirements/installer.lock >"$VENV/stamp-venv"
    fi
    is_current "$VENV/stamp-$set" "requirements/$set.lock" || install_locked "$set"
    is_current "$VENV/stamp-project" pyproject.toml || install_project
}

# Without them the tests that run firmware or make disks fail are skipped, visibly. CI may not skip.
ensure_test_packages() {
    install_packages "${TEST_PACKAGES[@]}" && return
    [ "${CI:-}" != true ] || fail "CI needs these packages."
    say "Going on without: tests that run the compiled firmware or make disks fail will be skipped."
}

ensure_fuzzer() {
    install_packages "${FUZZER_PACKAGES[@]}" || fail "the long tests need clang and its fuzzer."
}

# Two `make` in one checkout take turns.
take_turns() {
    command -v flock >/dev/null || return 0
    exec 9>.bootstrap.lock
    flock 9
}

main() {
    take_turns
    case "${1:-}" in
    run) ensure_venv run ;;
    test | soak | bench)
        if [ "$1" = test ]; then ensure_venv dev; else ensure_venv "$1"; fi
        ensure_test_packages
        [ "$1" != soak ] || ensure_fuzzer
        ;;
    *) fail "usage: tools/bootstrap.sh run|test|soak|bench" ;;
    esac
}

# A test sources this file, to try one function at a time.
[ "${BASH_SOURCE[0]}" != "$0" ] || main "$@"
