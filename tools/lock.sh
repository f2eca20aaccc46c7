#!/bin/sh
# Compile the dependency groups of pyproject.toml to requirements/<group>.txt, pinned and hashed.
# All are held to one constraint set (requirements/all.txt: every group), so that they install together and training
# and serving share versions. `dev` is installed with all the others only, so it has no file of its own.
# What is pinned stays pinned as long as it still fits; `lock.sh --upgrade` moves it.
# `lock.sh --check` changes nothing and fails where a file is not what this would write.
set -eu
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH" # the pinned uv, where there is one
groups="api function onnx sklearn training benchmark dashboard run extras uv"
# Other servers, each in an environment of its own: they share nothing with the others but what loads the model.
peers="mlserver kserve mlflow bentoml litserve"
out=requirements
upgrade=
case "${1:-}" in
--check)
    out=$(mktemp -d)
    trap 'rm -rf "$out"' EXIT
    mkdir "$out/peers"
    for name in all $groups; do
        [ ! -f "requirements/$name.txt" ] || cp "requirements/$name.txt" "$out"
    done
    for name in $peers; do
        [ ! -f "requirements/peers/$name.txt" ] || cp "requirements/peers/$name.txt" "$out/peers"
    done
    ;;
--upgrade) upgrade=--upgrade ;;
esac
mkdir -p "$out/peers"

compile() { # compile FILE ARGUMENTS...
    file=$1
    shift
    # shellcheck disable=SC2086
    uv --no-config pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-annotate --custom-compile-command "make lock" $upgrade "$@" -o "$file" pyproject.toml
}

all=
for group in $groups dev; do all="$all --group $group"; done
# shellcheck disable=SC2086
compile "$out/all.txt" $all
for group in $groups; do compile "$out/$group.txt" --constraint "$out/all.txt" --group "$group"; done
# The model's pins go before a server's own limits: KServe's exclude the pandas that only models of tables need.
for name in $peers; do compile "$out/peers/$name.txt" --override "$out/sklearn.txt" --group "peer-$name"; done

if [ "${1:-}" = --check ]; then
    diff -r "$out" requirements || {
        echo "requirements/ is not what pyproject.toml asks for: run make lock" >&2
        exit 1
    }
fi
