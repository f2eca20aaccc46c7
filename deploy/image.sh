#!/bin/sh
# The steps that the three Dockerfiles share. Nothing is fetched but hashed pins.
#   image.sh training DATASET   install what training needs, unless artifacts/DATASET is there
#   image.sh model DATASET      train artifacts/DATASET unless it is there, and move it to /model
#   image.sh packages FILE      install the pins of FILE into /opt/venv
#   image.sh compile DIRECTORY  byte-compile it: without byte code, every cold start compiles every module in memory
set -eu

install() { # install ENVIRONMENT FILE
    python -m venv --without-pip "$1"
    python -m pip --python "$1/bin/python" install --no-cache-dir --no-compile --only-binary=:all: \
        --require-hashes -r "$2"
}

case "$1" in
training) [ -f "artifacts/$2/model.json" ] || install /opt/training requirements/training.txt ;;
model)
    [ -f "artifacts/$2/model.json" ] ||
        /opt/training/bin/python -m training --dataset "$2" --output "artifacts/$2"
    mv "artifacts/$2" /model
    ;;
packages) install /opt/venv "$2" ;;
compile) /opt/venv/bin/python -m compileall -q -f -j 0 --invalidation-mode unchecked-hash "$2" ;;
esac
