"""Makes a virtual environment and installs the project into it: see venv.sh, which calls this.

Usage: install.py VENV STAMP CONTENT EXTRAS. The file STAMP in VENV gets CONTENT when all is done. Run by any
interpreter that the user names, so nothing here is newer than Python 3.6.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import time

# What makes the server faster or able to do more, but cannot be had everywhere: python-lzf needs a C
# compiler, and not every interpreter has wheels of the others.
OPTIONAL = ["lua", "tls", "lzf", "web"]


def main(venv, stamp, content, extras):
    """Install under a lock, so that two starts at once on a fresh clone do not collide."""
    if sys.version_info < (3, 10):  # noqa: UP036 - that is what it is there to find out
        is_now = f"{sys.executable} is {sys.version.split()[0]}"
        return f"twisted_redis needs Python 3.10 or newer, and {is_now}: set PYTHON to another one"
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    # The lock is the kernel's: an installation that was killed leaves none behind.
    try:
        lock = open(venv + ".lock", "w")  # noqa: SIM115 - closed by the with below
    except OSError as error:
        return f"Cannot install beside the script: {error}. Elsewhere: pip install {root}"
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
    """Install the project, editable, with the extras ``required``; returns what is wrong, or None."""
    begin = time.monotonic()
    say(f"Installing twisted_redis into {venv} (once) ...")
    python = os.path.join(venv, "bin", "python")
    # What python3 is differs from shell to shell, and servers may be running in the environment: it is made
    # anew only if it is broken, was moved, or is of another interpreter that was asked for by name.
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
    """Install the project, editable, with ``extras``; returns what is wrong, or None."""
    what = f"{root}[{','.join(extras)}]" if extras else root
    return run([python, "-m", "pip", "install", "--disable-pip-version-check", "--editable", what])


def is_current(path, content):
    """Whether whoever held the lock before has already done it."""
    return read(path) == content + "\n"


def runs(python):
    """Whether the environment's interpreter still starts: its base may have been removed."""
    return os.path.exists(python) and subprocess.call([python, "-c", "import pip"], stderr=subprocess.DEVNULL) == 0


def run(command):
    """Run a command silently; returns what it printed if it fails."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode == 0:
        return None
    return f"{done.stdout.decode('utf-8', 'replace')}\nCould not install: {' '.join(command)}"


def read(path):
    """The text of a file, empty if there is none."""
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def say(text):
    """Tell the user, apart from what the server prints."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
