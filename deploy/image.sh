#!/bin/sh
# The steps that the three Dockerfiles share. Nothing is fetched but hashed pins.
#   image.sh training DATASET   install what training needs, unless artifacts/DATASET is there
#   image.sh model DATASET      train artifacts/DATASET unless it is there, and move it to /model
#   image.sh runtime CHOICE     write the runtime that serves /model to /runtime; CHOICE is a MODEL_RUNTIME
#   image.sh packages GROUP     install the pins of /requirements/GROUP.txt, and of the runtime, into /opt/venv
#   image.sh trim               delete what numpy and ONNX Runtime bring for their own development
#   image.sh compile DIRECTORY  byte-compile it: without byte code, every cold start compiles every module in memory
set -eu

install() { # install ENVIRONMENT FILE, into a new environment or one that is there
    [ -f "$1/pyvenv.cfg" ] || python -m venv --without-pip "$1"
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
runtime)
    python -c 'import sys; from pathlib import Path; from inference.model import runtime_for
print(runtime_for(Path("/model"), sys.argv[1]))' "$2" >/runtime
    ;;
packages)
    install /opt/venv "/requirements/$2.txt"
    runtime="/requirements/$(cat /runtime 2>/dev/null || true).txt" # the linear runtime needs nothing
    [ ! -f "$runtime" ] || install /opt/venv "$runtime"
    ;;
trim)
    cd /opt/venv/lib/python3.11/site-packages
    [ ! -d numpy ] || find numpy -type d -name tests -prune -exec rm -rf {} +
    rm -rf numpy/distutils numpy/f2py \
        onnxruntime/datasets onnxruntime/quantization onnxruntime/tools onnxruntime/transformers
    ;;
compile) /opt/venv/bin/python -m compileall -q -f -j 0 --invalidation-mode unchecked-hash "$2" ;;
esac
