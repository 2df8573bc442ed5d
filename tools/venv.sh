# Sourced by the scripts of the project, with $root set: `ensure_venv NAME EXTRAS` sees to the virtual environment
# they run in, and leaves its folder in $venv.
#
# There is one for each interpreter: .venv for python3, .venv-pypy3 for PYTHON=pypy3. A stamp in it for each NAME
# holds what it was installed from; when that is still true this costs one `cksum` and needs no network.

ensure_venv() {
    venv=$root/.venv${PYTHON:+-${PYTHON##*/}}
    venv_want="$root ${PYTHON:-python3} $(cat "$root/setup.py" "$root/pyproject.toml" | cksum)"
    if [ -x "$venv/bin/python" ] && [ -r "$venv/installed-$1" ] &&
        IFS= read -r venv_have <"$venv/installed-$1" && [ "$venv_have" = "$venv_want" ]; then
        return 0
    fi
    "${PYTHON:-python3}" "$root/tools/install.py" "$venv" "installed-$1" "$venv_want" "${2:-}"
}
