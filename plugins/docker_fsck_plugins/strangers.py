"""What no engine writes: names in folders of the store that are somebody's own, and nobody's garbage to take."""

import re

from docker_fsck.api import BUILDKIT_ID, Model
from docker_fsck_plugins.overlay2_links import DRIVERS, home_of

TEMP = r"\.tmp-.*|.*\.tmp"
LAYER = re.compile(rf"diff|size|cache-id|parent|descriptor\.json|tar-split\.json\.gz|{TEMP}", re.DOTALL)
MOUNT = re.compile(rf"mount-id|init-id|parent|{TEMP}", re.DOTALL)
METADATA = re.compile(rf"parent|lastUpdated|builtLocally|{TEMP}", re.DOTALL)
TRANSACTION = re.compile(r"(write-set|layer)-[0-9]+", re.ASCII)
RECORD = re.compile(r"[0-9a-f]{64}(-.+)?|[0-9a-f]{130,}", re.DOTALL)
"""Names of mount records: of containers and old builds; of images that are mounted in one, by 28 and by 29.0."""
CONTAINER = re.compile(
    r"config(\.v2)?\.json|hostconfig\.json|hostname|hosts|resolv\.conf(\.hash)?|[^/]*\.log(\.[0-9]+)?(\.gz)?|" + TEMP, re.DOTALL
)
_FILES = re.compile(rf"link|lower|committed|{TEMP}", re.DOTALL)
_FOLDERS = re.compile(r"diff|work|merged")


def strange(model: Model, path: str, files: re.Pattern[str], folders: re.Pattern[str] | None = None) -> tuple[str, ...]:
    """Names in the folder `path` that no engine gives there, empty folders left out."""
    names = model.store.reader.names(path)
    return _strange(model, path, names if isinstance(names, dict) else {}, files, folders)


def _strange(
    model: Model, path: str, names: dict[str, str], files: re.Pattern[str], folders: re.Pattern[str] | None
) -> tuple[str, ...]:
    return tuple(
        name
        for name, kind in names.items()
        if not (
            (folders is not None and folders.fullmatch(name)) or empty(model, f"{path}/{name}")
            if kind == "dir"
            else files.fullmatch(name)
        )
    )


def empty(model: Model, path: str) -> bool:
    """Whether a folder holds nothing."""
    return model.store.reader.names(path) == {}


def in_container(model: Model, path: str) -> tuple[str, ...]:
    """Strange names in a container's folder; logs and checkpoints, also of users, are told by `Container.user_data`."""
    kept = re.compile(r"mounts|checkpoints|local-logs")
    inner = strange(model, f"{path}/mounts", re.compile(r"(?!)"))
    return (*strange(model, path, CONTAINER, kept), *(f"mounts/{name}" for name in inner))


def in_mount(model: Model, name: str, path: str) -> tuple[str, ...]:
    """Strange names in a mount record, its own name included."""
    own = () if RECORD.fullmatch(name) or BUILDKIT_ID.fullmatch(name) else (name,)
    return (*own, *strange(model, path, MOUNT))


def in_dirs(model: Model, idents: list[str]) -> tuple[str, ...]:
    """Strange names in driver dirs, where the driver tells what lies in one: overlay2 and its like."""
    if model.name not in DRIVERS:
        return ()
    home = home_of(model)
    found = (_strange(model, home.path(each), home.dirs[each].entries, _FILES, _FOLDERS) for each in idents if each in home.dirs)
    return tuple(name for names in found for name in names)


def told(names: tuple[str, ...]) -> str:
    """What a message says of strange names, behind what it says of their folder."""
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004 - a line's worth
    return f"; it is left alone: no engine writes {shown}" if names else ""
