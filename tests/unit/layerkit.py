"""One layer of any shape on the disk, as an unpacker would leave it: its folder, its record, and the task of verifying it."""

import base64
import gzip
import hashlib
import json
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fastcrc.crc64 import go_iso

from docker_fsck.reader import Reader
from docker_fsck.verdicts import Task, Verdict
from docker_fsck.verify.layer import verify

TIME = 1_700_000_000


class Member(NamedTuple):
    """A file, or a folder if its name ends with a slash; `xattrs` are recorded in the archive and given to the file.

    `owner` is recorded only; None: who runs the test.
    """

    name: str
    data: bytes = b""
    mode: int = 0o644
    xattrs: tuple[tuple[str, str], ...] = ()
    owner: tuple[int, int] | None = None


class Layer:
    """`top` is its folder, `record` its tar-split."""

    def __init__(self, place: Path, members: Sequence[Member]) -> None:
        self.place, self.top, self.record = place, place / "diff", place / "tar-split.json.gz"
        self.top.mkdir()
        self._lines, self._sha, self._padding = list[bytes](), hashlib.sha256(), b""
        for member in members:
            self._take(member)
        self._segment(self._padding + bytes(1024))
        self.record.write_bytes(gzip.compress(b"\n".join(self._lines)))

    @property
    def task(self) -> Task:
        return Task("sha256:chain", f"sha256:{self._sha.hexdigest()}", self.record.name, self.top.name)

    def verdict(self) -> Verdict:
        with Reader(str(self.place)) as reader:
            return verify(reader, self.task, lambda _count: None)

    def _take(self, member: Member) -> None:
        info = tarfile.TarInfo(member.name)
        info.type = tarfile.DIRTYPE if member.name.endswith("/") else tarfile.REGTYPE
        info.size, info.mtime = len(member.data), TIME
        info.uid, info.gid = member.owner or (os.getuid(), os.getgid())
        info.mode = member.mode | 0o111 if info.isdir() else member.mode
        info.pax_headers = {f"SCHILY.xattr.{key}": value for key, value in member.xattrs}
        self._segment(self._padding + info.tobuf(tarfile.PAX_FORMAT))
        self._sha.update(member.data)
        crc = base64.b64encode(go_iso(member.data).to_bytes(8, "big")).decode() if member.data else None
        self._line({"type": 1, "name": member.name, "size": len(member.data), "payload": crc})
        self._padding = bytes(-len(member.data) % 512)
        path = self.top / os.path.normpath(f"/{member.name}").lstrip("/")
        if info.isdir():
            path.mkdir()
            path.chmod(info.mode)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(member.data)
        path.chmod(member.mode)
        for key, value in member.xattrs:
            os.setxattr(path, key, value.encode())
        os.utime(path, (TIME, TIME))

    def _segment(self, data: bytes) -> None:
        self._sha.update(data)
        self._line({"type": 2, "payload": base64.b64encode(data).decode()})

    def _line(self, line: dict[str, object]) -> None:
        self._lines.append(json.dumps({**line, "position": len(self._lines)}).encode())
