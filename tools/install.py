"""Creates a virtual environment and installs the project into it. venv.sh calls this script.

Usage: install.py VENV STAMP CONTENT EXTRAS. When all is done, it writes CONTENT to the file STAMP in VENV. The user can
name any interpreter to run it, so it uses nothing newer than Python 3.6.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import time

# These make the server faster or add features, but are not available everywhere: python-lzf needs a C compiler, and
# the others have no wheels for some interpreters.
OPTIONAL = ["lua", "tls", "lzf", "title", "web", "vectors"]


def main(venv, stamp, content, extras):
    """Installs under a lock, so that two simultaneous starts in a new clone do not collide."""
    if sys.version_info < (3, 10):  # noqa: UP036 - that is what it is there to find out
        is_now = f"{sys.executable} is {sys.version.split()[0]}"
        return f"twisted_redis needs Python 3.10 or newer, and {is_now}: set PYTHON to another one"
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    # The kernel holds the lock, so a killed installation leaves none behind.
    try:
        lock = open(venv + ".lock", "w")  # noqa: SIM115 - closed by the with below
    except OSError as error:
        return f"Cannot install next to the script: {error}. Elsewhere: pip install {root}"
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("Another start is installing; waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        path = os.path.join(venv, stamp)
        if not is_current(path, content):
            error = install(root, venv, [extra for extra in extras.split(",") if extra])
            if error:
                return error
            with open(path, "w") as file:
                file.write(content + "\n")
    return 0


def install(root, venv, required):
    """Installs the project, editable, with the extras ``required``. Returns an error text, or None."""
    begin = time.monotonic()
    say(f"Installing twisted_redis into {venv} (once) ...")
    python = os.path.join(venv, "bin", "python")
    # The meaning of python3 differs between shells, and servers may be running in the environment. So it is recreated
    # only if it is broken, has moved, or belongs to another interpreter than the one that the user has named.
    origin = f"{root} {os.environ.get('PYTHON') or 'python3'}\n"
    if read(os.path.join(venv, "origin")) != origin or not runs(python):
        shutil.rmtree(venv, ignore_errors=True)
        error = run([sys.executable, "-m", "venv", venv])
        if error:
            return error
        with open(os.path.join(venv, "origin"), "w") as file:
            file.write(origin)
    error = pip_install(python, root, required + OPTIONAL)
    if error:
        error = pip_install(python, root, required)
        if error:
            return error
        for extra in OPTIONAL:
            if pip_install(python, root, [extra]):
                say(f"Could not install the extra {extra}: going on without it.")
    say(f"Installed in {time.monotonic() - begin:.0f} s.")
    return None


def pip_install(python, root, extras):
    """Installs the project, editable, with ``extras``. Returns an error text, or None."""
    what = f"{root}[{','.join(extras)}]" if extras else root
    return run([python, "-m", "pip", "install", "--disable-pip-version-check", "--editable", what])


def is_current(path, content):
    """Returns True if the previous holder of the lock has already installed everything."""
    return read(path) == content + "\n"


def runs(python):
    """Returns True if the environment's interpreter still starts. Its base may have been removed."""
    return os.path.exists(python) and subprocess.call([python, "-c", "import pip"], stderr=subprocess.DEVNULL) == 0


def run(command):
    """Runs a command silently. Returns its output if it fails."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode == 0:
        return None
    return f"{done.stdout.decode('utf-8', 'replace')}\nCould not install: {' '.join(command)}"


def read(path):
    """Returns the text of a file, or an empty text if there is none."""
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def say(text):
    """Prints a message to the user on stderr, separate from the output of the server."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
