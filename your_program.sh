#!/bin/sh
# Starts the server: ./your_program.sh [FILE.conf | -] [--directive value ...]
#
# The first start installs the project into a virtual environment beside this script. Then this process becomes the
# server: signals and the pid are its own, and the working directory stays the caller's.
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

# -I: modules come from the environment, never from the folder in which the server happens to be started.
exec "$venv/bin/python" -I -m twisted_redis "$@"
