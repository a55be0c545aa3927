"""The folder of a process in the spool: append-only files of JSON lines, rotated by size and by UTC day, capped.

    $SAFELIGHT_SPOOL/                                     default: see `default_directory`; 0700
      idphoto-gpu_1-20261122T103000Z-4242/                service-host-starttime-pid, 0700
        events-20261122-000001.ndjson                     0600, sorts by time
        events-20261122-000002.ndjson

For who reads: lines only ever grow at the end; a last line without its line end is not finished. A file is finished
when a newer one lies beside it, or when its exclusive flock can be had (the writer holds it; where there is no flock,
a file in use cannot be deleted). Finished files may be deleted; should a file in use go, the writer notices and
starts a new one.

Limits: 10 MB a file (settable, 64 KB at least; the events of one write stay together) and 5 files a process; beyond
that the oldest is deleted and its lines are counted as dropped ("spool_full"). All folders of ended processes of one
service: 200 MB, tidied when a process of that service starts.
Nothing is fsynced: lines survive the death of the process, not that of the machine.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import time

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FILE_BYTES = 10_000_000
FILE_BYTES_LEAST = 65_536
FILES = 5
ENDED_BYTES = 200_000_000

LOCK_TRIES, LOCK_PAUSE = 5, 0.002  # seconds: a reader that asks whether the file is in use holds it for microseconds

_OPEN = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def default_directory() -> str:
    r"""`$SAFELIGHT_SPOOL`, `%LOCALAPPDATA%\safelight\spool`, or `$XDG_STATE_HOME/safelight/spool`.

    Raises:
        OSError: the user has no home directory.
    """
    if chosen := os.environ.get("SAFELIGHT_SPOOL"):
        return os.path.abspath(os.path.expanduser(chosen))
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        state = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    else:
        state = os.environ.get("XDG_STATE_HOME", "")
        state = state if os.path.isabs(state) else os.path.join(home, ".local", "state")
    if not os.path.isabs(state):
        raise OSError(errno.ENOENT, "no home directory for the spool; set SAFELIGHT_SPOOL")
    return os.path.join(state, "safelight", "spool")


def host_name() -> str:
    """The name of this machine, without importing socket."""
    name = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    return name or "localhost"


class Spool:
    """The files of one process. One thread writes; `directory` None means the default, looked up when first needed.

    `lost` is how many lines were deleted at a cap and not yet reported; who reports them takes them off.
    """

    def __init__(
        self,
        directory: str | None,
        service: str,
        host: str,
        *,
        file_bytes: int = FILE_BYTES,
        files: int = FILES,
        ended_bytes: int = ENDED_BYTES,
    ) -> None:
        self._settings = (directory, service, host, file_bytes, files, ended_bytes)
        self._directory = os.path.abspath(directory) if directory else None
        self._service, self._host = _word(service), _word(host)
        self._file_bytes = max(file_bytes, FILE_BYTES_LEAST)
        self._files, self._ended_bytes = max(files, 1), ended_bytes
        self.folder: str | None = None
        self.lost = 0
        self._fd = -1
        self._path = ""
        self._day = ""
        self._number = 0
        self._size = self._lines = 0
        self._linked = True  # whether this file system counts links, and so tells that a file was removed
        self._done = 0  # bytes of the batch at hand that are on disk already
        self._finished: list[tuple[str, int]] = []  # (path, lines) of our own earlier files, oldest first

    def fresh(self) -> Spool:
        """One with the same settings and a folder of its own: what a forked child needs."""
        directory, service, host, file_bytes, files, ended_bytes = self._settings
        return Spool(directory, service, host, file_bytes=file_bytes, files=files, ended_bytes=ended_bytes)

    def same_as(self, other: Spool) -> bool:
        """Whether `other` would write to the same place in the same way."""
        return self._settings == other._settings

    def write(self, data: bytes, lines: int, moment: float) -> None:
        """All of `data`, which is `lines` whole lines, is in the file on return. `moment`: seconds since 1970.

        Raises:
            OSError: it is not. Call again with the same data: the writing goes on where it stopped.
        """
        day = time.strftime("%Y%m%d", time.gmtime(moment))
        if self._fd < 0 or day != self._day or (self._size and self._size + len(data) > self._file_bytes):
            self._next_file(day, data)
        self._append(data)
        if self._linked and os.fstat(self._fd).st_nlink == 0:  # removed underway: what went there is gone
            self._done = 0
            self._next_file(day, data)
            self._append(data)
        self._done = 0
        self._size += len(data)
        self._lines += lines

    def close(self) -> None:
        """Lets go of the current file; the next write starts another."""
        if self._fd >= 0:
            # First forget, then close: a fork in between must not close a number that is someone else's by then.
            fd, self._fd = self._fd, -1
            os.close(fd)
            self._finished.append((self._path, self._lines))

    def _append(self, data: bytes) -> None:
        try:
            while self._done < len(data):
                self._done += os.write(self._fd, memoryview(data)[self._done :])
        except OSError as error:
            if error.errno == errno.EFBIG:  # the process may write no bigger file (ulimit -f): so a smaller one
                whole = _whole_lines(data, self._done)
                size = os.fstat(self._fd).st_size - (self._done - whole)
                os.ftruncate(self._fd, size)
                self._done = whole
                if size:
                    self.close()
            raise

    def _next_file(self, day: str, data: bytes) -> None:
        self.close()
        self._done = _whole_lines(data, self._done)
        if self.folder is None or not os.path.isdir(self.folder):
            self._make_folder()
        while True:
            self._number += 1
            self._path = os.path.join(self.folder or "", f"events-{day}-{self._number:06d}.ndjson")
            try:
                self._fd = os.open(self._path, _OPEN, 0o600)
                break
            except FileExistsError:
                continue
        self._day, self._size, self._lines = day, 0, 0
        self._linked = os.fstat(self._fd).st_nlink > 0
        _lock(self._fd)
        self._keep_within_cap()

    def _make_folder(self) -> None:
        root = self._directory or default_directory()
        os.makedirs(root, mode=0o700, exist_ok=True)
        name = f"{self._service}-{self._host}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}"
        for attempt in range(1, 1000):
            folder = os.path.join(root, name if attempt == 1 else f"{name}.{attempt}")
            try:
                os.mkdir(folder, 0o700)
            except FileExistsError:  # another copy of this package in the same process
                continue
            self.folder = folder
            self._finished.clear()
            self.lost += tidy(root, self._service, self._ended_bytes)
            return
        raise OSError(errno.EEXIST, "too many folders of this process", name)

    def _keep_within_cap(self) -> None:
        self._finished = [(path, lines) for path, lines in self._finished if os.path.exists(path)]
        while len(self._finished) >= self._files:
            path, lines = self._finished.pop(0)
            if _delete(path):
                self.lost += lines


def tidy(root: str, service: str, limit: int) -> int:
    """Deletes the oldest files of ended processes of `service` until they take `limit` bytes; the lines deleted."""
    pattern = re.compile(rf"{re.escape(service)}-[^-]+-\d{{8}}T\d{{6}}Z-[\d.]+")
    ended: list[tuple[str, str, int]] = []
    for folder in filter(pattern.fullmatch, os.listdir(root)):
        try:
            ended += _ended_files(root, folder)
        except OSError:
            continue  # its reader is tidying too
    total, lost = sum(size for _, _, size in ended), 0
    for _, path, size in sorted(ended):
        if total <= limit:
            break
        try:
            lines = _count_lines(path)
        except OSError:
            continue
        if _delete(path):
            total -= size
            lost += lines
    return lost


def _ended_files(root: str, folder: str) -> list[tuple[str, str, int]]:
    """(age, path, bytes) of the files in a process's folder, all of them unless the process still writes there."""
    names = sorted(name for name in os.listdir(os.path.join(root, folder)) if name.endswith(".ndjson"))
    paths = [os.path.join(root, folder, name) for name in names]
    if not paths or _in_use(paths[-1]):
        return []
    return [(folder.split("-")[2] + path, path, os.path.getsize(path)) for path in paths]


def _lock(fd: int) -> None:
    for _ in range(LOCK_TRIES if fcntl is not None else 0):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_PAUSE)
        except OSError:
            return  # a file system without locks: readers then go by the age of the file
        else:
            return


def _in_use(path: str) -> bool:
    if fcntl is None:
        return False  # Windows refuses to delete a file in use
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(fd)


def _count_lines(path: str) -> int:
    lines = 0
    with open(path, "rb") as file:
        while chunk := file.read(65_536):
            lines += chunk.count(b"\n")
    return lines


def _delete(path: str) -> bool:
    try:
        os.unlink(path)
    except OSError:
        return False
    try:
        os.rmdir(os.path.dirname(path))
    except OSError:
        pass  # not empty: the usual case
    return True


def _whole_lines(data: bytes, done: int) -> int:
    """Where the line that `done` is in the middle of begins."""
    return data.rfind(b"\n", 0, done) + 1


def _word(text: str) -> str:
    """`text` as one part of a folder's name, free of the `-` that separates the parts."""
    return re.sub(r"[^A-Za-z0-9._]+", "_", text).strip("._")[:60] or "unknown"
