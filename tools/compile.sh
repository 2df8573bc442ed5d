#!/bin/sh
# Compiles the modules in tools/compiled_modules.txt into the virtual environment of this clone: tools/compile.sh [--remove]
#
# It needs a C compiler and some minutes. Servers and tests that use the environment then run the compiled modules,
# until one of the sources changes. TWISTED_REDIS_PURE=1 makes them run the sources at once. --remove removes the
# compiled modules. PYTHON names another CPython, as for run_tests.sh.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$root/tools/venv.sh"
cd "$root"

case ${1-} in
    --remove)
        ensure_venv run
        place=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
        rm -rf "$place/twisted_redis_compiled" "$place"/twisted_redis__mypyc.*
        exit 0
        ;;
    "") ;;
    *)
        echo "usage: tools/compile.sh [--remove]" >&2
        exit 2
        ;;
esac

ensure_venv compile dev
place=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
rm -rf build/compiled
TWISTED_REDIS_COMPILE=1 "$venv/bin/python" -W ignore setup.py --quiet build_ext \
    --build-lib build/compiled/lib --build-temp build/compiled/objects
# Everything is built before anything is replaced. Running servers keep the files that they have opened.
rm -rf "$place/twisted_redis_compiled" "$place"/twisted_redis__mypyc.*
mv build/compiled/lib/* "$place"
"$venv/bin/python" -c '
from twisted_redis._compiled import compiled_modules
print(len(compiled_modules()), "modules are compiled")'
