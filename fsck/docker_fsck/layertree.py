"""Opens what lies in one layer's folder by the names of its archive: part of the one door for reading, for deep verification.

Names are resolved as if the layer were `/`, since it was unpacked so: no link leads out, the last part of a name is never
followed. Folders may be found in the layers below (classic-store 6.2); the file itself must lie in the layer.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress

MOST_LINKS = 255
_OPEN_FOLDERS = 200
_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_ELSEWHERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})

Root = Callable[[], int | None]
"""Opens the folder of a layer; None where it cannot be had. Whoever calls closes it."""


class LayerTree:
    """One layer: `own` is the descriptor of its folder; `below` open those of its parents, nearest first, when needed."""

    def __init__(self, own: int, below: Sequence[Root], noatime: int) -> None:
        self._own, self._below = own, below
        self._dir, self._file = _DIR | noatime, _FILE | noatime
        self._folders: dict[str, int] = {"": own}
        self._lower: list[int] | None = None

    def close(self) -> None:
        """Close every descriptor, `own` too."""
        for fd in (*self._folders.values(), *(self._lower or ())):
            os.close(fd)
        self._folders, self._lower = {}, []

    def open(self, name: str) -> int:
        """A descriptor of the file `name`, which is plain (`plain`). Raises `OSError`: ELOOP for a link in its place."""
        base, _, last = name.rpartition("/")
        folder = self._folders.get(base)
        if folder is None:
            folder = self.folder(base)
        return os.open(last, self._file, dir_fd=folder)

    def open_all(self, base: str, names: Iterable[str], into: list[int]) -> None:
        """As `open`, for names in the plain folder `base`: what was opened before an `OSError` is in `into`, and the caller's."""
        folder, flags, add, opened = self.folder(base), self._file, into.append, os.open
        for name in names:
            add(opened(name, flags, dir_fd=folder))

    def facts(self, name: str) -> os.stat_result:
        """Lstat of `name`. Raises `OSError`."""
        base, _, last = name.rpartition("/")
        folder = self._folders.get(base)
        return os.stat(last or ".", dir_fd=self.folder(base) if folder is None else folder, follow_symlinks=False)

    def target(self, name: str) -> str:
        """The text of the link `name`. Raises `OSError`."""
        base, _, last = name.rpartition("/")
        return os.readlink(last, dir_fd=self.folder(base))

    def listing(self, name: str) -> AbstractContextManager[Iterator["os.DirEntry[str]"]]:
        """What the folder `name` holds, one by one: a folder may have more members than memory has room for. Raises `OSError`."""
        return os.scandir(self.folder(name))

    def folder(self, name: str) -> int:
        """A descriptor of the folder `name`, which stays this object's. Raises `OSError`."""
        found = self._folders.get(name)
        if found is not None:
            return found
        if len(self._folders) >= _OPEN_FOLDERS:
            self._forget()
        base, _, last = name.rpartition("/")
        try:
            made = os.open(last, self._dir, dir_fd=self.folder(base))
        except OSError as error:
            if error.errno not in _ELSEWHERE:
                raise
            made = self._walk(self._own, self.real(name))
        self._folders[name] = made
        return made

    def _forget(self) -> None:
        for name, fd in list(self._folders.items()):
            if name:
                os.close(fd)
                del self._folders[name]

    def _walk(self, start: int, name: str) -> int:
        here = os.dup(start)
        for part in name.split("/") if name else ():
            try:
                after = os.open(part, self._dir, dir_fd=here)
            finally:
                os.close(here)
            here = after
        return here

    def real(self, name: str) -> str:
        """The folder that `name` leads to with all links resolved inside the layer and those below it. Raises `OSError`."""
        done: list[str] = []
        todo = name.split("/")[::-1] if name else []
        links = 0
        while todo:
            part = todo.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                del done[-1:]
                continue
            target = self._link("/".join((*done, part)))
            if target is None:
                done.append(part)
                continue
            links += 1
            if links > MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
            if target.startswith("/"):
                done.clear()
            todo += target.split("/")[::-1]
        return "/".join(done)

    def _link(self, name: str) -> str | None:
        """The text of the link at `name` in the first layer that has something there, None for anything else."""
        base, _, last = name.rpartition("/")
        for root in (self._own, *self._lowers()):
            with suppress(OSError):
                folder = self._walk(root, base)
                try:
                    kind = os.stat(last, dir_fd=folder, follow_symlinks=False).st_mode
                    return os.readlink(last, dir_fd=folder) if stat.S_ISLNK(kind) else None
                finally:
                    os.close(folder)
        return None

    def _lowers(self) -> list[int]:
        if self._lower is None:
            self._lower = [fd for fd in (each() for each in self._below) if fd is not None]
        return self._lower


def plain(name: str) -> str:
    """A name of an archive without what does not change it: `./a/`, `/a`, `a//b` and `a/./b`; `..` never leads above the top."""
    name = name.removeprefix("./")
    name = name.strip("/")
    if "/." not in name and "//" not in name and not name.startswith("."):
        return name
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)
