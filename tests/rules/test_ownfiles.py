"""The table of the rule on files and folders that the engine writes anew, where something else stands in their place."""

from collections.abc import Callable
from pathlib import Path

from docker_fsck.testing.table import Row, disagreements, fires, silent
from docker_fsck.testing.whole import Whole

from .cases import LOSSLESS, OVERLAYS, Spot, deleted, does, file, foldered, linked, piped, rows, written

BLOCKED = "engine-file-blocked"
Where = Callable[[Whole], Path]


def held(name: str) -> Spot:
    """A file of a container; `{id}` is the container's."""
    return file(lambda store: store.root.container_dir(store.ran) / name.format(id=store.ran))


def marker(ident: Callable[[Whole], str]) -> Spot:
    """The mark that a layer is used by a child."""
    return file(lambda store: store.root.driver_dir(ident(store)) / "committed")


RESOLV = file(lambda store: store.root.path / "buildkit/executor/resolv.conf")
STEP = file(lambda store: store.root.path / "buildkit/executor/runc-log.json")
# fmt: off
ROWS: tuple[Row, ...] = (
    *(fires(BLOCKED, f"a folder stands where the engine writes {name}", foldered(held(name)), cls=LOSSLESS) for name in (
        "hostname", "hosts", "resolv.conf", "resolv.conf.hash", "{id}-json.log", "container-cached.log")),
    *(fires(BLOCKED, f"a file stands where the engine keeps {name}", written(held(name), b"x"), cls=LOSSLESS) for name in (
        "mounts", "checkpoints", "local-logs")),
    fires(BLOCKED, "a pipe stands where the engine writes hosts", piped(held("hosts")), cls=LOSSLESS),
    fires(BLOCKED, "a folder stands where a build step writes its log", foldered(STEP), cls=LOSSLESS),
    *(fires(BLOCKED, f"a folder marks {what}", foldered(marker(ident)), cls=LOSSLESS, drivers=OVERLAYS) for what, ident in (
        ("a layer", lambda store: store.dir_of(store.base, 0)), ("an init layer", lambda store: store.root.init_id(store.ran)))),
    silent(BLOCKED, "an empty folder stands where a step's resolv.conf was, which each start takes away", foldered(RESOLV)),
    silent(BLOCKED, "they are gone", does(held("hosts"), *(deleted(held(name)) for name in ("hostname", "hosts", "resolv.conf", "mounts")))),
    silent(BLOCKED, "a link stands there, which the engine follows", linked(held("resolv.conf"), "/etc/resolv.conf")),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_the_engines_own_files_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))
