#!/bin/sh
# Runs the tests: ./run_tests.sh [--conformance | --trial] [arguments for pytest or trial ...]
#
# --trial runs the test cases in tests/trial with Twisted's trial. pytest runs them as well.
# --conformance runs the units of Redis' own test suite that are known to pass, instead of the project's tests.
# Many tests run in several processes, and few in one. `-n 0` always takes one, and `-n 4` four; tests/support/workers.py
# decides otherwise.
# PYTHON=pypy3 ./run_tests.sh uses another interpreter.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
. "$root/tools/venv.sh"
ensure_venv test test

# Compiled modules are kept, even where the environment says otherwise: pytest rewrites each assert of the tests, and that
# takes longer than many of the tests.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX="${PYTHONPYCACHEPREFIX:-$root/build/pycache}"

cd "$root"
if [ "${1-}" = --trial ]; then
    shift
    [ $# -gt 0 ] || set -- tests.trial
    exec "$venv/bin/python" -m twisted.trial --temp-directory=build/trial "$@"
fi
for argument in "$@"; do
    if [ "$argument" = --conformance ]; then
        if [ $# -gt 1 ]; then
            echo "--conformance takes no further arguments; tests/conformance/README.md explains how to run single units" >&2
            exit 2
        fi
        exec "$venv/bin/python" tests/conformance/run --passing --python "$venv/bin/python"
    fi
done
exec "$venv/bin/python" -m pytest -n auto --dist loadfile --no-loadscope-reorder "$@"
