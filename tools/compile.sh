#!/bin/sh
# Compiles the modules in tools/compiled_modules.txt: tools/compile.sh [FOLDER | --remove]
#
# It needs a C compiler and some minutes. The compiled modules go into the virtual environment of this clone. Servers
# and tests that use the environment then run the compiled modules, until one of the sources changes.
# TWISTED_REDIS_PURE=1 makes them run the sources at once. --remove removes the compiled modules.
# With FOLDER, the compiled modules go there, and only programs that run with PYTHONPATH=FOLDER use them. PYTHON names
# another CPython, as for run_tests.sh.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$root/tools/venv.sh"

# The folder of the environment for extensions.
environment() {
    "$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))'
}

# Running servers keep the files that they have opened.
remove() {
    rm -rf "$1/twisted_redis_compiled" "$1"/twisted_redis__mypyc.*
}

case ${1-} in
    --remove)
        ensure_venv run
        remove "$(environment)"
        exit 0
        ;;
    -*)
        echo "usage: tools/compile.sh [FOLDER | --remove]" >&2
        exit 2
        ;;
esac

ensure_venv compile dev
if [ -n "${1-}" ]; then
    mkdir -p "$1"
    place=$(CDPATH='' cd -- "$1" && pwd -P)
else
    place=$(environment)
fi
cd "$root"
rm -rf build/compiled
TWISTED_REDIS_COMPILE=1 "$venv/bin/python" -W ignore setup.py --quiet build_ext \
    --build-lib build/compiled/lib --build-temp build/compiled/objects
# Everything is built before anything is replaced.
remove "$place"
mv build/compiled/lib/* "$place"
unset TWISTED_REDIS_PURE
PYTHONPATH=$place "$venv/bin/python" -c '
import sys
from twisted_redis._compiled import compiled_modules
print(len(compiled_modules()), "modules are compiled")
sys.exit(0 if compiled_modules() else "A source has changed meanwhile: compile again")'
