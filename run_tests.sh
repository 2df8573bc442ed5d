#!/bin/sh
# Runs the tests: ./run_tests.sh [--conformance] [arguments of pytest ...]
#
# --conformance runs those cases of Redis' own test suite that are known to pass, instead of the project's tests.
# PYTHON=pypy3 ./run_tests.sh uses another interpreter.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
. "$root/tools/venv.sh"
ensure_venv test test

cd "$root"
for argument in "$@"; do
    if [ "$argument" = --conformance ]; then
        if [ $# -gt 1 ]; then
            echo "--conformance goes alone; for single files of the suite see tests/conformance/README.md" >&2
            exit 2
        fi
        exec "$venv/bin/python" tests/conformance/run --passing --python "$venv/bin/python"
    fi
done
exec "$venv/bin/python" -m pytest "$@"
