"""The graph driver btrfs: `subvolumes/<id>` is a subvolume with a whole tree, `quotas/<id>` its limit (classic-store 9.6)."""

from collections.abc import Collection, Iterable, Iterator
from typing import cast

from docker_fsck.api import (
    DRIVER_ID,
    SUBVOLUME,
    ActionClass,
    Driver,
    Facts,
    Fault,
    Model,
    Part,
    Reader,
    Ref,
    Rule,
    Severity,
    Trouble,
    hookimpl,
    rule,
)
from docker_fsck_plugins.orphans import knowing_of
from docker_fsck_plugins.parts import FullCopies, lacking, outside
from docker_fsck_plugins.remedies import reclaim

DIRS, QUOTAS = "btrfs/subvolumes", "btrfs/quotas"


class BtrfsHome(FullCopies):
    """What btrfs keeps: one subvolume a driver id, a snapshot of its parent's, on which it does not depend any more."""

    name = "btrfs"
    union = False

    def __init__(self, reader: Reader) -> None:
        """List the home; each entry is asked for its inode."""
        listing, quotas = dict(reader.members(DIRS)), reader.names(QUOTAS)
        troubles = (listing.pop("", None), quotas)
        self.partial: tuple[Trouble, ...] = tuple(
            each for each in troubles if isinstance(each, Trouble) and each.state != "absent"
        )
        self.entries = {name: facts for name, facts in listing.items() if isinstance(facts, Facts)}
        self.partial += tuple(facts for facts in listing.values() if isinstance(facts, Trouble) and facts.state != "absent")
        self.dirs = {ident for ident, facts in self.entries.items() if facts.kind == "dir" and DRIVER_ID.fullmatch(ident)}
        self.quotas: dict[str, str] = {} if isinstance(quotas, Trouble) else quotas
        self.mounts = reader.mounts

    def ids(self) -> Collection[str]:
        """Every driver id with a subvolume, or a folder in place of one."""
        return self.dirs

    def path(self, ident: str) -> str:
        """The subvolume of `ident`."""
        return f"{DIRS}/{ident}"

    def missing(self, ident: str) -> Part | None:
        """The subvolume, unless it is there; a folder in its place has the content too."""
        path, facts = self.path(ident), self.entries.get(ident)
        kind = facts.kind if facts else None
        return outside(ident, path) or (None if kind == "dir" else lacking("dir", path, kind, "subvolume"))

    def holdings(self, ident: str) -> tuple[str, ...]:
        """The limit, if there is one, and the subvolume."""
        limit = (f"{QUOTAS}/{ident}",) if ident in self.quotas else ()
        return (*limit, *((self.path(ident),) if ident in self.dirs else ()))

    def plain(self, ident: str) -> bool:
        """Whether a plain folder stands where a subvolume belongs; what is mounted over one is not judged."""
        return ident in self.dirs and self.entries[ident].ino != SUBVOLUME and self.path(ident) not in self.mounts


class Btrfs:
    """The driver."""

    name = "btrfs"

    def detect(self, reader: Reader) -> bool:
        """Whether there is a home or an image tree."""
        return any(not isinstance(reader.facts(path), Trouble) for path in ("btrfs", "image/btrfs"))

    def survey(self, reader: Reader) -> BtrfsHome:
        """Read the home."""
        return BtrfsHome(reader)


def _home(model: Model) -> BtrfsHome:
    return cast("BtrfsHome", model.home)


@rule("btrfs-not-subvolume", Severity.ERROR, drivers=("btrfs",))
def not_subvolume(model: Model) -> Iterator[Fault]:
    """A plain folder stands where the btrfs driver keeps a subvolume.

    Why it matters: nothing can be made on it: no container, no build step, no commit, no layer of a pull. What is there still
        works: a container in it starts and can be removed (some engines fail to remove it).
    How it comes about: the data root was copied with cp, rsync or tar, or restored from a backup of files.
    Repair: none by this program. With the engine stopped, for each of them: btrfs subvolume create <id>.new, cp -a
        --reflink=always <id>/. <id>.new/, rename <id> away and <id>.new to <id>, start, look, and only then remove the old one.
    Never: remove the folder: the data in it is whole.
    Daemon says: Failed to create btrfs snapshot: invalid argument
    Seen in: FC-44, FC-47
    """
    home = _home(model)
    for ident in model.living:
        if home.plain(ident):
            layer, mount = model.dir_owner.get(ident), model.dir_mount.get(ident)
            record = layer.path if layer else mount.path if mount else ""
            paths = (home.path(ident), *((record,) if record else ()))
            actual = f"a folder (inode {home.entries[ident].ino})"
            message = f"{ident} is a plain folder and no subvolume: its content is there, but nothing can be made from it"
            yield Fault(Ref("driverdir", ident), message, paths, f"a subvolume (inode {SUBVOLUME})", actual)


@rule("btrfs-quota-orphan", Severity.INFO, actions=(ActionClass.RECLAIM,), drivers=("btrfs",))
def quota_orphan(model: Model) -> Iterator[Fault]:
    """The size limit of a subvolume that is not there any more.

    Why it matters: it does not; a few bytes. Should a subvolume of that name come back, it would get the limit.
    How it comes about: the subvolume was deleted by hand, or the engine was killed between limit and subvolume.
    Repair: the file is put away.
    Never: while something still names the subvolume: who brings that back wants its limit too.
    Seen in: FC-47
    """
    home = _home(model)
    if home.partial or model.layers.faults or model.mounts.faults:
        return
    for ident, kind in sorted(home.quotas.items()):
        if kind == "file" and DRIVER_ID.fullmatch(ident) and ident not in home.entries and ident not in model.marks.dirs:
            path = f"{QUOTAS}/{ident}"
            remedy = reclaim(path, knowing=knowing_of([ident]))
            yield Fault(Ref("file", path), f"the size limit of {ident}, which is not there", (path,), "", "", (remedy,))


@hookimpl
def fsck_drivers() -> Iterator[Driver]:
    """The driver btrfs."""
    yield Btrfs()


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The laws of btrfs."""
    return (not_subvolume, quota_orphan)
