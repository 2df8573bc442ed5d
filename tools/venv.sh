# The project's scripts source this file with $root set. `ensure_venv NAME EXTRAS` creates or updates the virtual
# environment that they run in, and stores its folder in $venv.
#
# There is one environment per interpreter: .venv for python3, .venv-pypy3 for PYTHON=pypy3. For each NAME, a stamp
# file in it records what was installed. If nothing has changed, this costs one `cksum` and needs no network.

ensure_venv() {
    venv=$root/.venv${PYTHON:+-${PYTHON##*/}}
    venv_want="$root ${PYTHON:-python3} $(cat "$root/setup.py" "$root/pyproject.toml" | cksum)"
    if [ -x "$venv/bin/python" ] && [ -r "$venv/installed-$1" ] &&
        IFS= read -r venv_have <"$venv/installed-$1" && [ "$venv_have" = "$venv_want" ]; then
        return 0
    fi
    "${PYTHON:-python3}" "$root/tools/install.py" "$venv" "installed-$1" "$venv_want" "${2:-}"
}
