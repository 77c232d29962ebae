"""Writes the files of a built data root with exact modes and one fixed time, whatever umask and clock say."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from docker_fsck.testing.layertar import MTIME, Files, entries, mode_of


class Disk:
    """Remembers what it touched at or below `root`, so that `settle` can give all of it the time `layertar.MTIME`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._touched: set[Path] = set()

    def put(self, path: Path, data: bytes | str, mode: int = 0o644) -> None:
        """A file; an older one is overwritten."""
        if os.path.lexists(path) and path.lstat().st_nlink > 1:
            path.unlink()  # a layer that shares it keeps the old one
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        path.chmod(mode)
        self._touched |= {path, path.parent}

    def folder(self, path: Path, mode: int = 0o755) -> Path:
        """A folder in an existing one; a folder that is there gets the mode."""
        path.mkdir(exist_ok=True)
        path.chmod(mode)
        self._touched |= {path, path.parent}
        return path

    def folders(self, base: Path, names: str, mode: int = 0o755) -> Path:
        """The folders `names` (with slashes) below `base`, those that are missing with `mode`; returns the last."""
        for name in names.split("/"):
            base /= name
            if not base.is_dir():
                self.folder(base, mode)
        return base

    def link(self, path: Path, target: str) -> None:
        """A symbolic link with the text `target`."""
        path.symlink_to(target)
        self._touched |= {path, path.parent}

    def tree(self, base: Path, files: Files) -> None:
        """The content of a layer below `base`, as unpacking its archive would leave it."""
        for name, data in entries(files):
            if data is not None:
                self.put(base / name, data, mode_of(data))
            elif not (base / name).is_dir():
                self.folder(base / name)

    def copy(self, source: Path, target: Path) -> None:
        """A complete copy of a folder, modes too."""
        self._copied(source, target, shutil.copy2)

    def share(self, source: Path, target: Path) -> None:
        """A copy of a folder whose files are hard links to those of the source."""
        self._copied(source, target, lambda one, other: os.link(one, other, follow_symlinks=False))

    def _copied(self, source: Path, target: Path, each: Callable[[str, str], object]) -> None:
        shutil.copytree(source, target, symlinks=True, copy_function=each)
        # The source may not have settled yet, so that the copied times may be those of now; and it has been read.
        self._touched |= {source, *source.rglob("*"), target, target.parent, *target.rglob("*")}

    def rename(self, source: Path, target: Path) -> None:
        """Give a file or folder another name."""
        source.rename(target)
        self._touched |= {target, source.parent, target.parent}

    def settle(self) -> None:
        """Give everything touched since the last call the fixed time, in both its times."""
        for path in self._touched:
            if path != self._root.parent and os.path.lexists(path):
                os.utime(path, (MTIME, MTIME), follow_symlinks=False)
        self._touched.clear()
