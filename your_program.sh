#!/bin/sh
# Starts the server: ./your_program.sh [FILE.conf | -] [--directive value ...]
#
# The first start installs the project into a virtual environment next to this script. Then this process becomes the
# server, so it keeps its pid, receives signals directly, and keeps the caller's working directory.
# PYTHON=pypy3 ./your_program.sh uses another interpreter.
set -eu

script=$0
[ ! -L "$script" ] || script=$(readlink -f -- "$script")
case $script in
*/*) root=$(CDPATH='' cd -- "${script%/*}" && pwd -P) ;;
*) root=$(pwd -P) ;;
esac

. "$root/tools/venv.sh"
ensure_venv run

# -I: Python imports modules from the environment, never from the current folder.
exec "$venv/bin/python" -I -m twisted_redis "$@"
