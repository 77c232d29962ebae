"""`docker-fsck demo`: a small damaged data root, and the real commands with their real output on it; touches nothing else."""

import contextlib
import os
import shlex
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from docker_fsck.cli import flags, options
from docker_fsck.cli.edge import Call, Edge
from docker_fsck.cli.start import guarded, work_of
from docker_fsck.config import load
from docker_fsck.errors import CORRECTED, FINDINGS, INCOMPLETE, Refused, UsageError
from docker_fsck.host import HostView
from docker_fsck.reader import QUARANTINE
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.tree import Entry, snapshot

Shot = dict[str, Entry]
CLASSES = "lossless,reclaim,lossy"


class Act(msgspec.Struct, frozen=True):
    """One command of the show: what is said before it, its arguments, and the exit status it must end with."""

    says: str
    argv: tuple[str, ...]
    ends: int


ACTS = (
    Act("1. Check: what is wrong? Nothing is changed.", ("check",), FINDINGS),
    Act("2. Plan: what would be done about it? Nothing is changed.", ("plan",), FINDINGS),
    Act(
        "3. Apply the plan. What goes is moved away, not deleted; every step is in a journal.",
        ("apply", "--class", CLASSES, "--yes"),
        CORRECTED,
    ),
    Act("4. Check again.", ("check",), 0),
    Act("5. Take it all back.", ("undo", "last"), 0),
)


def demo(call: Call) -> int:
    """`demo [DIR]`: exit 0 only if every command ended as it should and undo gave the damaged root back as it was."""
    if call.has("format") and call.config.format != "text":
        raise UsageError(f"--format {call.config.format}: the demo writes text")
    if call.has("root"):
        raise UsageError("the demo makes a root of its own and works on no other: name an empty folder without --root")
    with _folder(call.one("folder")) as folder:
        return _show(call, folder)


@contextlib.contextmanager
def _folder(named: str | None) -> Iterator[Path]:
    """The folder that was named, or a temporary one that goes at the end."""
    if named is None:
        with tempfile.TemporaryDirectory(prefix="docker-fsck-demo-") as made:
            yield Path(made)
        return
    folder = Path(named).absolute()
    try:
        folder.mkdir(exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}") from None
    if occupied:
        raise UsageError(f"{folder}: not empty; the demo makes its root only in a new or empty folder")
    yield folder


def damaged_root(folder: Path) -> None:
    """Two images and a container; one layer's link file is empty, another's folder is lost, and two things belong to nobody."""
    root = DataRoot(folder)
    shop = root.image("shop:1.0", layers=3)
    store = root.image("registry.example/store:2.0", layers=2, digest_ref=True)
    root.container(shop, "web")
    root.orphan_dir()
    root.unreferenced_layers(2)
    root.empty(root.driver_dir(root.dir_of(root.chains_of(shop)[1])) / "link")
    root.delete(root.driver_dir(root.dir_of(root.chains_of(store)[1])))


def _show(call: Call, folder: Path) -> int:
    say = call.edge.terminal.text
    damaged_root(folder)
    say(f"A small Docker data root was made in {folder}, with two images and a container, and then damaged:\n")
    say("an empty link file, a lost layer folder, a folder and two layers that nobody refers to.\n")
    before = _picture(folder)
    for act in ACTS:
        ended = _perform(call, folder, act, say)
        if ended != act.ends:
            say(f"\nThis should have ended with exit status {act.ends}: the demo stops here.\n")
            return INCOMPLETE
    if _picture(folder) != before:
        say("\nThe root is not what it was before apply: undo failed.\n")
        return INCOMPLETE
    kept = (
        f"The damaged root is still in {folder}; `docker-fsck check --root {shlex.quote(str(folder))}` looks at it."
        if call.one("folder")
        else ""
    )
    say(f"\nEvery byte, mode and time is as it was before apply. {kept}\n".replace(" \n", "\n"))
    return 0


def _picture(folder: Path) -> Shot:
    return snapshot(folder, leave_out=(QUARANTINE,))


def _perform(call: Call, folder: Path, act: Act, say: Callable[[str], None]) -> int:
    """Run one command as it would be run from a shell, and show both."""
    # --grace 0s, since everything in this root is younger than the day that is waited for otherwise.
    argv = [*act.argv, "--root", str(folder), "--grace", "0s"]
    say(f"\n{act.says}\n\n$ {shlex.join([flags.PROG, *argv])}\n")
    command, given = options.parse(argv)
    # No settings but these: the show is the same on every host.
    inner = Call(given=given, argv=tuple(argv), config=load(vars(given), {}, os.devnull), edge=_edge(call.edge, folder))
    ended = guarded(work_of(command), inner)
    say(f"(exit status {ended})\n")
    return ended


def _edge(edge: Edge, folder: Path) -> Edge:
    """The edge for the demo's own folder: nobody else can be using it, since this process made it a moment ago.

    So nobody has to be looked for in /proc, where an ordinary user is not shown enough to be sure of anything.
    """
    own = str(folder.resolve())

    def look(root: str) -> HostView:
        if root != own:
            raise Refused(f"the demo works on {own} only, not on {root}")
        return HostView(state="stopped", why="the demo has just made this root")

    return msgspec.structs.replace(edge, look=look, engine_processes=lambda _root: (), settle=0.0)
