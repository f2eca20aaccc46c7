#!/bin/sh
# install.sh SET: bring .venv to the hashed pins of requirements/SET.txt: `run`, `extras` or `all`, each of which contains
# the one before. A SET of peers/NAME is another server, which gets an environment of its own in build/peers/NAME.
# Needs Python 3.11 to 3.13 and a package index; uses uv where it is installed, else gets the pinned one with pip.
# Returns at once where nothing has changed. What is installed stays: where a larger set is, a smaller one keeps it.
set -eu
cd "$(dirname "$0")/.."
wanted=$1
case $wanted in
peers/*)
    home=build/$wanted
    newest=12 # MLServer's limit
    pythons="${PYTHON:-} .venv/bin/python python3.12 python3.11 python3"
    PYTHON= # .venv's may be newer
    ;;
*)
    home=.venv
    newest=13
    pythons='python3 python3.13 python3.12 python3.11'
    ;;
esac

# Not with the tools of the environment that may be replaced.
tools=$(pwd -P)/.venv/bin
while case ":$PATH:" in *":$tools:"*) ;; *) false ;; esac do
    PATH=:$PATH:
    PATH=${PATH%%":$tools:"*}:${PATH#*":$tools:"}
    PATH=${PATH#:}
    PATH=${PATH%:}
done
export PATH

[ -f "requirements/$wanted.txt" ] || {
    echo "There is no requirements/$wanted.txt" >&2
    exit 1
}

version() { # version PYTHON: such as `3 12`; fails where it cannot be used
    "$1" -c 'import sys; v = sys.version_info[:2]; print(*v); sys.exit(not (3, 11) <= v <= (3, int(sys.argv[1])))' \
        "$newest" 2>/dev/null
}

# The folder of an environment and its Python: programs in it start the Python of the folder that they were made in.
identity() {
    echo "$(pwd -P) $(version "$home/bin/python")"
}

is_usable() { # whether the environment was made here, and by a Python like the one that is asked for
    [ -f "$home/made-by" ] && [ "$(identity)" = "$(cat "$home/made-by")" ] || return 1
    [ -z "${PYTHON:-}" ] || [ "$(version "$PYTHON")" = "$(version "$home/bin/python")" ]
}

stop() { # stop PROCESS, with its group where it leads one
    kill -s TERM -- "-$1" 2>/dev/null || kill -s TERM "$1" 2>/dev/null || true
}

attended() { # run a program that is stopped when this script is told to stop, at whatever moment; returns its status
    child='' stopped=''
    trap 'stopped=yes; [ -z "$child" ] || stop "$child"' HUP INT TERM
    "$@" &
    child=$!
    [ -z "$stopped" ] || stop "$child"
    status=0
    wait "$child" || status=$?
    [ -z "$stopped" ] || { wait "$child" || true; exit 143; }
    trap - HUP INT TERM
    return "$status"
}

is_usable && cmp -s "requirements/$wanted.txt" "$home/${wanted##*/}.txt" && exit 0
for larger in extras all; do
    [ "$wanted" = all ] || [ ! -e "$home/$larger.txt" ] || wanted=$larger
done

uv=$(command -v uv || true)
# A shim may be on the PATH without anything behind it.
[ -z "$uv" ] || "$uv" --version >/dev/null 2>&1 || uv=
# Another server's environment is made by what .venv was made by.
[ "$home" = .venv ] || [ -n "$uv" ] || [ ! -x .venv/bin/uv ] || uv=.venv/bin/uv

if ! is_usable; then
    python=
    for candidate in ${PYTHON:-$pythons}; do
        if version "$candidate" >/dev/null; then
            python=$candidate
            break
        fi
    done
    if [ -z "$python" ]; then
        [ -n "$uv" ] && [ -z "${PYTHON:-}" ] || {
            echo "No Python from 3.11 to 3.$newest was found. Install one, or name it: make PYTHON=/path/to/python3.12" >&2
            exit 1
        }
        python=3.12 # uv finds it elsewhere, or fetches it
    fi
    echo "Creating $home (once; may take a few minutes)" >&2
    rm -rf "$home"
    # What is below build/ was made with .venv, and names it.
    [ "$home" != .venv ] || rm -rf build
    if [ -n "$uv" ]; then
        attended "$uv" venv --quiet --python "$python" "$home"
    else
        attended "$python" -m venv --without-pip "$home"
    fi
    identity >"$home/made-by"
fi

pins="requirements/$wanted.txt"
if [ -z "$uv" ]; then
    uv=$home/bin/uv
    pins="$pins requirements/uv.txt"
    if [ ! -x "$uv" ]; then
        # It starts a pip, which is in its group.
        leader='import os, runpy; os.setpgid(0, 0); runpy.run_module("ensurepip", run_name="__main__")'
        attended "$home/bin/python" -c "$leader" >/dev/null 2>&1 || {
            echo "This Python cannot make environments. On Debian and Ubuntu: apt-get install python3-venv" >&2
            exit 1
        }
        attended "$home/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
            -r requirements/uv.txt
    fi
fi
case $uv in
.venv/* | build/*) # uv does not read pip's settings
    [ -z "${PIP_INDEX_URL:-}" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}"
    ;;
esac
# Empty until it is done, so that an interrupted installation goes on where it stopped.
: >"$home/${wanted##*/}.txt"
# shellcheck disable=SC2086
attended "$uv" pip sync --quiet --python "$home" --require-hashes --compile-bytecode $pins
case $wanted in
extras) cp requirements/run.txt "$home" ;;
all) cp requirements/run.txt requirements/extras.txt "$home" ;;
esac
cp "requirements/$wanted.txt" "$home/${wanted##*/}.txt"
