"""What `du` finds out, as values: owners, and the report `docker-fsck/du/1`; nothing here reads or decides."""

from enum import StrEnum
from typing import Literal

import msgspec

from docker_fsck.steps import At

SCHEMA = "docker-fsck/du/1"


class Kind(StrEnum):
    """What space is for. A file with links in several kinds counts for the first of them: what lives goes before what may go."""

    SHARED = "shared"
    IMAGES = "images"
    CONTAINERS = "containers"
    VOLUMES = "volumes"
    LOGS = "logs"
    BUILD_CACHE = "build-cache"
    PLUGINS = "plugins"
    CONTAINERD = "containerd"
    INACTIVE = "inactive"
    NESTED = "nested"
    METADATA = "metadata"
    OTHER = "other"
    TEMP = "temp"
    GARBAGE = "garbage"
    QUARANTINE = "quarantine"

    @property
    def rank(self) -> int:
        """Its place in that order."""
        return list(Kind).index(self)


class Owner(msgspec.Struct, frozen=True):
    """Who has a piece of the root: `path` is its main folder, `id` names it within its kind. `planned`: the plan reclaims it.

    `depth`: how many layers it stands on; hard links are those of the lowest.
    """

    kind: Kind
    path: str
    id: str = ""
    planned: bool = False
    depth: int = 0


class ImageUse(msgspec.Struct, frozen=True):
    """An image and the driver dirs of its layers: those that no other image has, and the others."""

    id: str
    names: tuple[str, ...]
    driver: str
    unique: tuple[str, ...]
    shared: tuple[str, ...]


class ContainerUse(msgspec.Struct, frozen=True):
    """A container and its driver dirs: its writable layer with the init layer, and layers that no image has any more."""

    id: str
    name: str
    driver: str
    writable: tuple[str, ...]
    layers: tuple[str, ...]
    volumes: tuple[str, ...]


class Estate(msgspec.Struct, frozen=True):
    """Whose every folder of a root is. `owners` in the order in which they get hard links; `claims`: path to number of owner,
    the longest path that leads to a file counts; `starts`: by folder, the beginnings of file names with owners of their own.
    """

    owners: tuple[Owner, ...]
    claims: dict[str, int]
    starts: dict[str, tuple[tuple[str, int], ...]]
    images: tuple[ImageUse, ...]
    containers: tuple[ContainerUse, ...]
    active: str


class KindSum(msgspec.Struct, frozen=True):
    """One kind: allocated bytes, files and folders, how many owners."""

    kind: Kind
    bytes: int
    inodes: int
    owners: int


class OwnerSum(At, frozen=True, kw_only=True):
    """One owner: its first folder, and what it takes."""

    kind: Kind
    id: str
    bytes: int
    inodes: int
    planned: bool = False


class ImageSum(msgspec.Struct, frozen=True, kw_only=True):
    """One image, with the steps of its build that have no name. `unique` goes when it goes alone, `shared` are layers that
    other images have too; both make the total.
    """

    id: str
    names: tuple[str, ...]
    driver: str
    total: int
    unique: int
    shared: int


class ContainerSum(msgspec.Struct, frozen=True, kw_only=True):
    """One container. `layers`: those that no image has any more and containers keep; one of several containers is in each."""

    id: str
    name: str
    driver: str
    writable: int
    logs: int
    folder: int
    layers: int
    volumes: tuple[str, ...]

    @property
    def own(self) -> int:
        """What goes when it is removed, volumes left aside."""
        return self.writable + self.logs + self.folder


class VolumeSum(At, frozen=True, kw_only=True):
    """One volume by its folder, and the containers that name it."""

    name: str
    bytes: int
    inodes: int
    containers: tuple[str, ...]


class Frees(msgspec.Struct, frozen=True):
    """What could be had back. `plan`: by a plan of class reclaim; `held`: garbage that no plan takes now, for the reasons
    in `why`; `purge`: what lies in the quarantine.
    """

    plan: int
    held: int
    why: tuple[str, ...]
    purge: int


class Unread(At, frozen=True, kw_only=True):
    """A path that could not be read."""

    why: str


class Du(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer. Each of `kinds` and `owners` adds up to `total`; bytes are allocated ones, hard links counted once.

    `failed`: rules and plugins without which garbage is not all known.
    `mounts` are mount points below the root, neither counted nor entered. `unjudged`: stores in the root whose garbage is not
    known, a sentence each. `active` is the storage driver in use, as far as that can be told.
    """

    schema: str = SCHEMA
    tool: dict[str, str]
    root: str
    layouts: tuple[str, ...]
    active: str
    unjudged: tuple[str, ...]
    engine: Literal["stopped", "live", "unknown"]
    exit: int
    total: int
    inodes: int
    kinds: tuple[KindSum, ...]
    images: tuple[ImageSum, ...]
    containers: tuple[ContainerSum, ...]
    volumes: tuple[VolumeSum, ...]
    owners: tuple[OwnerSum, ...]
    frees: Frees
    mounts: tuple[At, ...]
    unread: tuple[Unread, ...]
    failed: tuple[str, ...]
