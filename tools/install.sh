#!/bin/sh
# install.sh SET: bring .venv to the hashed pins of requirements/SET.txt: `run` or `all`, which contains it.
# Needs Python 3.11 to 3.13 and a package index; uses uv where it is installed, else gets the pinned one with pip.
# Returns at once where nothing has changed. What is installed stays: where `all` is, `run` keeps it.
set -eu
cd "$(dirname "$0")/.."
wanted=$1

# Not with the tools of the environment that may be replaced.
tools=$(pwd -P)/.venv/bin
while case ":$PATH:" in *":$tools:"*) ;; *) false ;; esac do
    PATH=:$PATH:
    PATH=${PATH%%":$tools:"*}:${PATH#*":$tools:"}
    PATH=${PATH#:}
    PATH=${PATH%:}
done
export PATH

version() { # version PYTHON: such as `3 12`; fails where it cannot be used
    "$1" -c 'import sys; v = sys.version_info[:2]; print(*v); sys.exit(not (3, 11) <= v < (3, 14))' 2>/dev/null
}

identity() { # the folder of .venv and its Python: programs in it start the Python of the folder that they were made in
    echo "$(pwd -P) $(version .venv/bin/python)"
}

is_usable() { # whether .venv was made here, and by a Python like the one that is asked for
    [ -f .venv/made-by ] && [ "$(identity)" = "$(cat .venv/made-by)" ] || return 1
    [ -z "${PYTHON:-}" ] || [ "$(version "$PYTHON")" = "$(version .venv/bin/python)" ]
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

is_usable && cmp -s "requirements/$wanted.txt" ".venv/$wanted.txt" && exit 0
[ ! -e .venv/all.txt ] || wanted=all

uv=$(command -v uv || true)
# A shim may be on the PATH without anything behind it.
[ -z "$uv" ] || "$uv" --version >/dev/null 2>&1 || uv=

if ! is_usable; then
    python=
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if version "$candidate" >/dev/null; then
            python=$candidate
            break
        fi
    done
    if [ -z "$python" ]; then
        [ -n "$uv" ] && [ -z "${PYTHON:-}" ] || {
            echo "Python 3.11, 3.12 or 3.13 was not found. Install one, or name it: make PYTHON=/path/to/python3.12" >&2
            exit 1
        }
        python=3.12 # uv finds it elsewhere, or fetches it
    fi
    echo "Creating .venv (once; may take a few minutes)" >&2
    # What is below build/ was made with the environment, and names it.
    rm -rf .venv build
    if [ -n "$uv" ]; then
        attended "$uv" venv --quiet --python "$python" .venv
    else
        attended "$python" -m venv --without-pip .venv
    fi
    identity >.venv/made-by
fi

pins="requirements/$wanted.txt"
if [ -z "$uv" ]; then
    uv=.venv/bin/uv
    pins="$pins requirements/uv.txt"
    if [ ! -x "$uv" ]; then
        # It starts a pip, which is in its group.
        leader='import os, runpy; os.setpgid(0, 0); runpy.run_module("ensurepip", run_name="__main__")'
        attended .venv/bin/python -c "$leader" >/dev/null 2>&1 || {
            echo "This Python cannot make environments. On Debian and Ubuntu: apt-get install python3-venv" >&2
            exit 1
        }
        attended .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
            -r requirements/uv.txt
    fi
    # uv does not read pip's settings.
    [ -z "${PIP_INDEX_URL:-}" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}"
fi
# Empty until it is done, so that an interrupted installation goes on where it stopped.
: >".venv/$wanted.txt"
# shellcheck disable=SC2086
attended "$uv" pip sync --quiet --python .venv --require-hashes --compile-bytecode $pins
[ "$wanted" = run ] || cp requirements/run.txt .venv/run.txt
cp "requirements/$wanted.txt" ".venv/$wanted.txt"
