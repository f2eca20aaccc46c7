#!/bin/sh
# Make .venv with every dependency group, from hashed pins. Needs Python 3.11 to 3.13 and a package index; uses uv
# where it is installed and bootstraps the pinned one inside .venv where it is not.
set -eu
cd "$(dirname "$0")/.."

# Not with the tools of the environment that is about to be replaced.
PATH=$(printf %s "$PATH" | sed "s|$PWD/.venv/bin:||g")
export PATH

python=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
uv=$(command -v uv || true)
# A shim may be on the PATH without anything behind it.
[ -z "$uv" ] || "$uv" --version >/dev/null 2>&1 || uv=
if [ -z "$python" ]; then
    [ -n "$uv" ] || {
        echo "Python 3.11, 3.12 or 3.13 was not found. Install one, or name it: make PYTHON=/path/to/python3.12" >&2
        exit 1
    }
    python=3.12 # uv finds it elsewhere, or fetches it
fi

echo "Making .venv (once; a few minutes on a slow line)" >&2
if [ -n "$uv" ]; then
    "$uv" venv --quiet --clear --python "$python" .venv
else
    "$python" -m venv --clear .venv || {
        echo "This Python cannot make environments. On Debian and Ubuntu: apt-get install python3-venv" >&2
        exit 1
    }
    # The pinned uv with its hashes, cut out of the pins of the dev group.
    sed -n '/^uv==/,/^[^ ]*[^\\]$/p' requirements/dev.txt >.venv/uv.txt
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
    uv=.venv/bin/uv
fi
"$uv" pip install --quiet --python .venv --require-hashes --compile-bytecode -r requirements/all.txt
touch .venv/.installed
