"""The laws of zfs on datasets, snapshots and mount points (classic-store 9.7). Only the operator destroys."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, cast

from docker_fsck.api import USERNS_ROOT, ActionClass, Confidence, Fault, Model, Ref, Remedy, Rule, Severity, rule
from docker_fsck_plugins.orphans import knowing_of
from docker_fsck_plugins.remedies import reclaim

if TYPE_CHECKING:
    from docker_fsck_plugins.zfs import ZfsHome
    from docker_fsck_plugins.zfslist import Dataset

DRIVERS = ("zfs",)
DIGITS = re.compile(r"[0-9]+", re.ASCII)


def _home(model: Model) -> "ZfsHome":
    return cast("ZfsHome", model.home)


def _own(model: Model) -> set[str]:
    """Snapshots that the engine made: a name of digits that no other has (who snapshots a tree gives all one name)."""
    rows = [row for each in _home(model).snapshots.values() for row in each]
    tags = Counter(row.name.partition("@")[2] for row in rows)
    return {row.name for row in rows if DIGITS.fullmatch(tag := row.name.partition("@")[2]) and tags[tag] == 1}


def _dead(model: Model) -> list[str]:
    """Driver ids that nothing refers to, less those of which something else was cloned, by id."""
    home, dead = _home(model), set(model.marks.dead_dirs)
    names = {f"{home.parent}/{ident}" for ident in dead}
    while True:
        held = {name for name in names if not names.issuperset(home.cloned.get(name, ()))}
        if not held:
            return sorted(name.rpartition("/")[2] for name in names)
        names -= held


def _trees(home: "ZfsHome", dead: Iterable[str]) -> Iterator[list[str]]:
    """The dead by what they were cloned from: each tree with its leaves first and its trunk last."""
    dead = set(dead)
    above: dict[str, list[str]] = {}
    for ident in sorted(dead):
        parent = next((each for each in home.needs(ident) if each in dead), "")
        above.setdefault(parent, []).append(ident)
    for trunk in above.get("", ()):
        order, todo = [], [trunk]
        while todo:
            order.append(todo.pop())
            todo += above.get(order[-1], ())
        yield order[::-1]


@rule("zfs-orphan-dataset", Severity.INFO, actions=(ActionClass.MANUAL,), drivers=DRIVERS)
def orphan_dataset(model: Model) -> Iterator[Fault]:
    """A dataset of the zfs driver that nothing in this root refers to.

    Why it matters: space that no command of Docker sees or frees.
    How it comes about: the engine was killed between making the dataset and writing the record, or a removal failed with
        "dataset is busy" or "dataset does not exist".
    Repair: by you: the plan has the commands in their order, clones before what they were cloned from. Stop the engine first,
        and make sure that no other data root uses the same parent dataset: an engine takes the dataset in which its root
        lies, so that two roots on one dataset share it. None is given for a dataset that has snapshots of your own.
    Never: `zfs destroy -R`: it takes every clone along, and with them images and containers that are in use.
    Seen in: FC-01, FC-48
    """
    home = _home(model)
    if home.partial or model.layers.faults or model.mounts.faults:
        return
    own = _own(model)
    for tree in _trees(home, _dead(model)):
        rows = [home.datasets[ident] for ident in tree]
        foreign = [each.name for row in rows for each in home.snapshots.get(row.name, ()) if each.name not in own]
        foreign += [row.name for row in rows if row.mountpoint != "legacy"]
        used = sum(row.used for row in rows)
        message = f"nothing refers to the dataset {rows[-1].name}" + (f" and {len(rows) - 1} cloned from it" if rows[1:] else "")
        message += f" ({used} bytes)" + (f"; {foreign[0]} is not of Docker's making" if foreign else "")
        ages = tuple(row.born_ns for row in rows)
        remedy = Remedy(
            cls=ActionClass.MANUAL, does=f"destroy {len(rows)} datasets, in this order", knowing=knowing_of(tree), ages=ages,
            next=tuple(_commands(home, rows)),
        )  # fmt: skip
        paths = tuple(home.path(ident) for ident in reversed(tree))
        shared = USERNS_ROOT.fullmatch(PurePath(model.store.reader.root).name) or any(
            layout.startswith("nested:") for layout in model.store.layouts
        )
        sure = Confidence.PROBABLE if shared else Confidence.CERTAIN
        yield Fault(Ref("driverdir", tree[-1]), message, paths, "", "", () if foreign else (remedy,), confidence=sure)


def _commands(home: "ZfsHome", rows: "list[Dataset]") -> Iterator[str]:
    """Clones first. A snapshot with clones is marked (-d) so that it goes with the last of them; the engine does the same."""
    names = {row.name for row in rows}
    for row in rows:
        if row.origin.partition("@")[0] in names:
            yield f"zfs destroy -d {shlex.quote(row.origin)}"
        for each in home.snapshots.get(row.name, ()):
            if each.name not in home.clones:
                yield f"zfs destroy {shlex.quote(each.name)}"
        yield f"zfs destroy {shlex.quote(row.name)}"


@rule("zfs-orphan-snapshot", Severity.INFO, actions=(ActionClass.MANUAL,), drivers=DRIVERS)
def orphan_snapshot(model: Model) -> Iterator[Fault]:
    """A snapshot that the zfs driver made of a layer and from which nothing is cloned.

    Why it matters: it keeps what is deleted in the layer, and the layer's dataset cannot be destroyed while it is there.
    How it comes about: the engine was killed between making the snapshot and the clone.
    Repair: by you, with the command of the plan, while the engine is stopped.
    Never: a snapshot with a name that several datasets have: somebody made it on purpose.
    Seen in: FC-48
    """
    home = _home(model)
    dead, own = set(_dead(model)), _own(model)
    for ident, row in () if home.partial else sorted(home.datasets.items()):
        for each in home.snapshots.get(row.name, ()) if ident not in dead else ():
            if each.name in own and each.name not in home.clones:
                command = f"zfs destroy {shlex.quote(each.name)}"
                remedy = Remedy(cls=ActionClass.MANUAL, does="destroy a snapshot", ages=(each.born_ns,), next=(command,))
                message = f"nothing is cloned from the snapshot {each.name} ({each.used} bytes)"
                yield Fault(Ref("snapshot", each.name.rpartition("/")[2]), message, (home.path(ident),), "", "", (remedy,))


@rule("zfs-graph-residue", Severity.INFO, actions=(ActionClass.RECLAIM,), drivers=DRIVERS)
def graph_residue(model: Model) -> Iterator[Fault]:
    """A mount point of the zfs driver was left of a dataset that is gone.

    Why it matters: it does not, if it is empty. Files in it belong to nobody: something wrote there while nothing was mounted.
    How it comes about: the engine was killed, or the mount was busy while the layer was removed.
    Repair: an empty folder is put away; what holds files is only told.
    Seen in: FC-48
    """
    home = _home(model)
    in_use = model.store.host.held | model.store.host.mount_points
    for ident in () if home.partial else sorted(home.points.keys() - home.datasets.keys()):
        path = home.path(ident)
        if ident in model.marks.dirs or ident in model.dir_owner or ident in model.dir_mount or path in in_use:
            continue
        remedies = () if ident in home.filled else (reclaim(path),)
        what = "holds files and nothing is mounted on it" if ident in home.filled else "was left"
        yield Fault(Ref("file", path), f"the mount point of a dataset that is gone {what}", (path,), "", "", remedies)


RULES: tuple[Rule, ...] = (orphan_dataset, orphan_snapshot, graph_residue)
