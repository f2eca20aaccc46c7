#!/bin/sh
# bare.sh [COMMAND...]: run a command (`make train`) in a fresh clone of the last commit as on a new machine: an empty
# home, and a PATH with nothing but git, make, the system's basic tools and a Python.
set -eu
cd "$(dirname "$0")/.."
repository=$(pwd -P)
[ $# -gt 0 ] || set -- make train

# The Python that made .venv, or the system's: without anything that was installed beside it.
python=$("${PYTHON:-python3}" -c 'import os, sys; print(os.path.realpath(sys.executable))')
machine=$(mktemp -d)
trap 'rm -rf "$machine"' EXIT
mkdir "$machine/bin" "$machine/home"
ln -s "$python" "$machine/bin/python3"
for tool in awk basename cat chmod cmp cp dirname env git grep head id ln ls make mkdir mktemp mv rm sed sh tail touch tr uname; do
    ln -s "$(command -v "$tool")" "$machine/bin/$tool"
done

git clone --quiet "$repository" "$machine/clone"
cd "$machine/clone"
# How to reach the package index is said by the environment. Nothing else of it is kept: not the caches, nor make's options.
kept=$(env | sed -n -E '/^(PIP_CACHE_DIR|UV_CACHE_DIR)=/d; /^((PIP|UV|SSL_CERT)_[A-Z_]*|REQUESTS_CA_BUNDLE|[A-Za-z]+_(proxy|PROXY))=/s/=.*//p')
for name in $kept; do
    eval "set -- \"$name=\$$name\" \"\$@\""
done
env -i HOME="$machine/home" LANG=C.UTF-8 PATH="$machine/bin" "$@"
