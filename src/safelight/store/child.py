"""The process that `sandbox` asks: how it is started, asked and ended, and what it died of."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa

from .sandbox_child import Reply, Request

COMMAND: Final = ["-m", "safelight.store.sandbox_child"]
_PACKAGES: Final = str(Path(__file__).resolve().parents[2])
_NO_MEMORY: Final = re.compile(r"MemoryError|bad_alloc|[Oo]ut of memory|[Cc]annot allocate|failed to allocate")
_LAST_WORDS: Final = 64 << 10  # what a pipe holds


class Died(Exception):
    """The child ended instead of answering, by itself or by a limit of the system; Python calls it `code`."""

    def __init__(self, code: int, last_words: str) -> None:
        super().__init__(code, last_words)
        self.code = code
        self.last_words = last_words

    @property
    def of_memory(self) -> bool:
        """Whether it could get no more, or was killed without our doing: that is the kernel running out of it."""
        return self.code == -signal.SIGKILL or _NO_MEMORY.search(self.last_words) is not None

    @property
    def of_time(self) -> bool:
        """Whether it used up its processor time."""
        return self.code == -signal.SIGXCPU

    @property
    def reason(self) -> str:
        """In a few words, its own last line among them."""
        how = signal.Signals(-self.code).name if self.code < 0 else f"exit code {self.code}"
        last_line = self.last_words.strip().rpartition("\n")[2][:200]
        return f"{how}: {last_line}" if last_line else how


class Child:
    """A running child. One thread asks and ends it; any thread may `kill` it."""

    def __init__(self, data: Path) -> None:
        self.asked = False
        """Whether it works on an answer."""
        kept = {name: value for name in ("TMPDIR",) if (value := os.environ.get(name))}
        self._stderr, stderr = os.pipe()
        os.set_blocking(stderr, False)  # nobody listens until it has died: what is too much is lost
        os.set_blocking(self._stderr, False)
        try:
            self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
                # -P: no module comes from the directory that the server happens to be started in.
                [sys.executable, "-P", *COMMAND, str(data)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**kept, "PYTHONPATH": _PACKAGES},
            )
        except BaseException:
            os.close(self._stderr)
            raise
        finally:
            os.close(stderr)

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(self, request: Request) -> tuple[Reply, pa.Table]:
        """The answer. Raises Died, and then it has ended."""
        self.asked = True
        try:
            return self._exchange(request)
        except (OSError, EOFError, msgspec.DecodeError, pa.ArrowException) as error:
            raise self._post_mortem() from error
        finally:
            self.asked = False

    def _exchange(self, request: Request) -> tuple[Reply, pa.Table]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise EOFError
        stdin.write(msgspec.json.encode(request) + b"\n")
        stdin.flush()
        line = stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        reply = msgspec.json.decode(line, type=Reply)
        body = stdout.read(reply.bytes)
        if len(body) < reply.bytes:
            raise EOFError
        return reply, pa.ipc.open_stream(body).read_all() if body else pa.table({})

    def _post_mortem(self) -> Died:
        """It closed its end or wrote nonsense: it is dying, and if not, it has to."""
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            code = None
        last_words = b""
        with contextlib.suppress(OSError):  # it had none
            last_words = os.read(self._stderr, _LAST_WORDS)
        self.end()
        return Died(1 if code is None else code, last_words.decode(errors="replace"))

    def kill(self) -> None:
        """End it from any thread: whoever asks it hears that it died."""
        self._process.kill()

    def end(self) -> None:
        """Kill it and release what belongs to it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was still to be written has nobody left to read it
                    stream.close()
        if self._stderr >= 0:
            os.close(self._stderr)
            self._stderr = -1
