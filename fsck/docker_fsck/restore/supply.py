"""What the operator supplies of layers: asked by diff id, believed by digest. Nothing is written."""

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from docker_fsck.errors import UsageError
from docker_fsck.layertree import LayerTree
from docker_fsck.reader import Reader
from docker_fsck.restore import holders, splitting
from docker_fsck.restore.mapped import Mapped
from docker_fsck.restore.members import Members, inside
from docker_fsck.restore.stream import BrokenError, Stream
from docker_fsck.steps import Origin
from docker_fsck.tarsplit import TarSplitError, entries
from docker_fsck.values import Trouble, printable
from docker_fsck.verdicts import Task
from docker_fsck.verify.hashing import Differs, digest
from docker_fsck.verify.outward import Outward

if TYPE_CHECKING:
    from docker_fsck.model import Model

NEVER = 1 << 63
"""No file was changed after this moment: attributes are not asked for where only the content counts."""


class Supply:
    """All sources of a run. `told`: why a layer that was asked for cannot be had from them, by its chain id."""

    def __init__(self, sources: Iterable[str], root: str) -> None:
        """Look what each source holds. `UsageError` for one that is none."""
        self._root = root
        self._holders = {path: _holder(path, root) for path in dict.fromkeys(map(os.path.realpath, sources))}
        self._found: dict[str, tuple[Origin, int] | str] = {}
        self._splits: dict[str, bytes | str] = {}
        self._highest: dict[str, tuple[int, int]] = {}
        self._maps: dict[str, Mapped] = {}
        self.told: dict[str, str] = {}

    def find(self, diff: str) -> tuple[Origin, int] | str:
        """Where a tar with this digest lies and its length; why there is none."""
        if diff not in self._found:
            self._found[diff] = self._search(diff)
        return self._found[diff]

    def _search(self, diff: str) -> tuple[Origin, int] | str:
        why = f"no --source holds {diff}"
        for path, holder in self._holders.items():
            try:
                origins = tuple(holder.origins(diff))
            except (BrokenError, OSError) as error:
                why = f"{diff} in {path} cannot be read: {error}"
                continue
            for origin in origins:
                try:
                    found, length = self._checked(origin)
                except BrokenError as error:
                    why = f"{origin.member} in {path} cannot be used: {error}"
                    continue
                if found == diff:
                    return origin, length
                why = f"{origin.member} in {path} should be {diff} and has the digest {found}"
        return printable(why)

    def _checked(self, origin: Origin) -> tuple[str, int]:
        """Digest and length of a tar whose members can all be unpacked."""
        disk = os.statvfs(self._root)
        stream = Stream(holders.tar(origin), disk.f_bavail * disk.f_frsize, "that are free on the disk of the data root")
        uid = gid = 0
        for member in Members(stream):
            inside(member.name)
            uid, gid = max(uid, member.uid), max(gid, member.gid)
        found = stream.digest()
        self._highest[found] = uid, gid
        return found, stream.at

    def misplaced(self, model: "Model", diff: str) -> str:
        """Why it is not known which owners the files of this layer get in the root of a user namespace; nothing if it is."""
        uid, gid = self._highest.get(diff, (0, 0))
        known = self._maps.setdefault(model.name, Mapped(model))
        if not model.shift or model.shift == (0, 0) or known.holds(uid, gid):
            return ""
        return f"it has owners up to {uid}:{gid}, and no layer here shows that the map of this user namespace goes so far"

    def split(self, diff: str) -> bytes | str:
        """The tar-split.json.gz of a layer that `find` finds; why there is none."""
        if diff not in self._splits:
            self._splits[diff] = self._split(diff)
        return self._splits[diff]

    def _split(self, diff: str) -> bytes | str:
        found = self.find(diff)
        if isinstance(found, str):
            return found
        stream = Stream(holders.tar(found[0]))
        try:
            made = splitting.split(stream)
            found_now = stream.digest()
        except BrokenError as error:
            return printable(f"{found[0].member} in {found[0].source}: {error}")
        return made if found_now == diff else f"{found[0].source} was changed meanwhile"

    def fits(self, reader: Reader, task: Task, split: bytes) -> bool:
        """Whether the files of a layer are, by this record, what its diff id says."""
        own = reader.folder(task.content)
        if isinstance(own, Trouble):
            return False
        below = [(lambda path=path: _opened(reader, path)) for path in task.below]
        tree = LayerTree(own, below, reader.noatime)
        try:
            with suppress(Differs, TarSplitError, OSError):
                return digest(entries([split]), tree, Outward(tree, task.shift, NEVER), lambda _count: None)[0] == task.diff
        finally:
            tree.close()
        return False


def _opened(reader: Reader, path: str) -> int | None:
    found = reader.folder(path)
    return None if isinstance(found, Trouble) else found


def _holder(path: str, root: str) -> holders.Holder:
    if printable(path) != path:
        raise UsageError(f"--source {printable(path)}: a plan cannot name a path that is not UTF-8")
    if f"{path}/".startswith(f"{root.rstrip('/')}/"):
        raise UsageError(f"--source {path}: lies in the data root that is to be mended")
    try:
        return holders.holder(path)
    except BrokenError as error:
        raise UsageError(f"--source {path}: {error}") from None
    except OSError as error:
        raise UsageError(f"--source {path}: {(error.strerror or str(error)).lower()}") from None
