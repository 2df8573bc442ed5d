"""The directory that contains the files and the manifest."""

from __future__ import annotations

import os
from collections.abc import Callable

from twisted_redis.config import Config
from twisted_redis.persistence.aof.manifest import AofFile, Manifest, read
from twisted_redis.persistence.files import open_new

__all__ = ["Folder"]


class Folder:
    """The directory ``appenddirname`` in ``dir``. Methods that fail write the reason to the log."""

    def __init__(self, config: Config, log: Callable[[str, str], None]) -> None:
        self._config = config
        self._log = log

    @property
    def path(self) -> str:
        """The path of the directory."""
        return self._config.resolve(self._config.appenddirname)

    @property
    def manifest_path(self) -> str:
        """The path of the manifest."""
        return self.file_path(self._manifest_name)

    @property
    def _manifest_name(self) -> str:
        return f"{self._config.appendfilename}.manifest"

    @property
    def temporary_name(self) -> str:
        """The name of the increment that is written until the first base exists; no manifest contains it."""
        return f"temp-{self._config.appendfilename}.incr"

    def file_path(self, name: str) -> str:
        """Returns the path of a file in the directory."""
        return os.path.join(self.path, name)

    def create(self) -> bool:
        """Creates the directory if it does not exist. Returns False on failure."""
        try:
            os.mkdir(self.path, 0o755)
        except FileExistsError:
            if os.path.isdir(self.path):
                return True
            self._log("warning", f"Can't open or create append-only dir {self._config.appenddirname}: Not a directory")
            return False
        except OSError as error:
            self._log("warning", f"Can't open or create append-only dir {self._config.appenddirname}: {error.strerror}")
            return False
        return True

    def load(self) -> Manifest:
        """Reads the manifest; an empty one if there is no file. Raises ManifestError or OSError."""
        if not os.path.isfile(self.manifest_path):
            self._log("debug", f"The AOF manifest file {self._manifest_name} doesn't exist")
            return Manifest()
        return read(self.manifest_path)

    def store(self, manifest: Manifest) -> bool:
        """Writes ``manifest`` to disk if it has changed, atomically and synced. Returns False on failure."""
        if not manifest.dirty:
            return True
        temporary_name = f"temp-{self._manifest_name}"
        temporary = self.file_path(temporary_name)
        try:
            fd = open_new(temporary)
        except OSError as error:
            self._log("warning", f"Can't open the AOF manifest file {temporary_name}: {error.strerror}")
            return False
        failure = f"Error trying to write the temporary AOF manifest file {temporary_name}: %s"
        try:
            data = manifest.render()
            while data:
                data = data[os.write(fd, data) :]
            failure = f"Fail to fsync the temp AOF file {temporary_name}: %s."
            os.fsync(fd)
            failure = (
                f"Error trying to rename the temporary AOF manifest file {temporary_name} into "
                f"{self._manifest_name}: %s"
            )
            os.rename(temporary, self.manifest_path)
            failure = f"Fail to fsync AOF directory {self.manifest_path}: %s."
            self._sync()
        except OSError as error:
            self._log("warning", failure % error.strerror)
            return False
        finally:
            os.close(fd)
        manifest.dirty = False
        return True

    def _sync(self) -> None:
        """Syncs the directory: otherwise a new file could lose its name in a crash."""
        fd = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def open(self, name: str, *, new: bool) -> int:
        """Opens a file for appending; with ``new``, replaces it. Returns the descriptor, -1 on failure."""
        path = self.file_path(name)
        flags = os.O_WRONLY | os.O_APPEND
        try:
            return open_new(path, flags) if new else os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            self._log("warning", f"Can't open the append-only file {name}: {error.strerror}")
            return -1

    def size(self, file: AofFile) -> int:
        """Returns the size of a file in bytes, -1 if it cannot be read."""
        try:
            return os.stat(self.file_path(file.name)).st_size
        except OSError as error:
            self._log("warning", f"Unable to obtain the AOF file {file.name} length. stat: {error.strerror}")
            return -1
