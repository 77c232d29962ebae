"""Why a damage that no check can report is none, or cannot be seen: the claims behind `same` and `alone` in docs/damages.md."""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

FLIPPED = "bit-flipped"
ALL = ("emptied", "halved", "zero-filled", FLIPPED, "directory")


class Claim(Struct, frozen=True):
    """`same`: the engine answers the same. `alone`: nothing else on the disk has the fact. `why`: the reason."""

    entry: Literal["same", "alone"]
    why: str


Row = tuple[str, tuple[str, ...], str]
SAME: tuple[Row, ...] = (
    (
        "layer's committed",
        ("deleted", "junk"),
        "engines ask only whether a writable layer has it; those before 19.03.3 never wrote it",
    ),
    (
        "init layer's committed",
        ("deleted", "junk"),
        "engines ask only whether a writable layer has it; those before 19.03.3 never wrote it",
    ),
    *(
        (
            f"{role}'s work",
            ("directory",) if role == "layer" else ("emptied", "halved", "directory"),
            "the kernel makes what it needs there at every mount, and takes away what it finds",
        )
        for role in ("layer", "init layer", "writable layer")
    ),
    *(
        (
            f"container's {name}",
            ("deleted", "emptied", "halved", "zero-filled", FLIPPED, "junk"),
            "the engine writes it anew at every start of the container",
        )
        for name in ("hostname", "hosts", "resolv.conf", "resolv.conf.hash")
    ),
    ("container's mounts", ("deleted", "directory"), "the engine makes it anew where it needs one"),
    (
        "BuildKit's resolv.conf",
        ("deleted", "emptied", "halved", "zero-filled", FLIPPED, "junk", "directory"),
        "the engine takes it away at its start, and writes it anew for the first step",
    ),
    ("BuildKit's runc-log.json", ("deleted", "junk"), "a step begins its own log"),
    (
        "containerd's meta.db",
        ("deleted", "emptied"),
        "with a graph driver the engine asks it for nothing that it cannot make anew",
    ),
    (
        "volume's options",
        (FLIPPED,),
        'a name in `"Quota":{"Size":0}` is another: the engine takes no quota, which is what stood there',
    ),
    ("swarm's worker/tasks.db", ("deleted", "emptied"), "a manager hands the tasks out again"),
    ("swarm's log", ("halved",), "the log is preallocated, its records stand at the beginning"),
)
NO_SUM = "bbolt has no checksum of its pages: the bit lies in a value that nothing else has"
ALONE: tuple[Row, ...] = (
    ("image's parent", ("deleted",), "most images have none; which image one was built from stands nowhere else"),
    ("image's lastUpdated", ("deleted",), "most images have none; the time stands nowhere else"),
    ("image's lastUpdated", (FLIPPED,), "another time that could be"),
    ("image's builtLocally", ("deleted",), "images that were pulled have none"),
    ("layer's size", ("halved", FLIPPED), "drivers and builders count in different ways, so that another number could be right"),
    ("layer's descriptor.json", ("deleted",), "most layers have none; only the registry knows it"),
    ("layer's descriptor.json", (FLIPPED,), "only the registry has it too"),
    ("layer's digests", ("deleted",), "the engine itself takes entries away; from which repository the layer came stands nowhere else"),
    ("layer's digests", (FLIPPED,), "the name of the repository or its HMAC, which stand nowhere else"),
    ("writable layer's diff folder", ALL, "what a container wrote stands nowhere else"),
    ("writable layer of vfs", ALL, "a container may have changed any file, so that the image's is no copy of it"),
    ("layer's metadata of devicemapper", (FLIPPED,), "the other copy is in the pool, which is no file of the root"),
    ("deviceset-metadata of devicemapper", ("deleted", FLIPPED), "the other copy is in the pool, which is no file of the root"),
    ("transaction-metadata of devicemapper", (FLIPPED,), "the device may be gone by right; the other copy is in the pool, which is no file of the root"),
    ("container's config.v2.json", (FLIPPED,), "the id of a network that the engine looks up by its name; a command, an environment or labels stand nowhere else either"),
    ("container's hostconfig.json", (FLIPPED,), "a masked path, which stands nowhere else, and a name in another case, of which the engine takes no notice"),
    ("container's log", ("deleted", "emptied"), "what a container said stands nowhere else, and it may have said nothing"),
    ("container's cached log", ("deleted", "emptied"), "what a container said stands nowhere else, and it may have said nothing"),
    ("container's cached log", (FLIPPED,), "the words of a message"),
    ("container's checkpoints", ("deleted", *ALL), "what a checkpoint holds stands nowhere else"),
    ("network database", ("deleted", "emptied"), "a network that no container is on stands nowhere else; one that a container is on is missed (`container-network-missing`)"),
    ("BuildKit's snapshots.db", (FLIPPED,), "the size of a snapshot, and the name of one that nothing refers to"),
    ("BuildKit's metadata_v2.db", (FLIPPED,), f"{NO_SUM}: digests of single files of a build context"),
    ("BuildKit's containerdmeta.db", (FLIPPED,), f"{NO_SUM}: times, labels, the name of a lease"),
    ("BuildKit's cache.db", ("deleted", "emptied"), "which steps can be used again stands nowhere else; the engine itself begins an empty one"),
    ("BuildKit's history.db", ("deleted", "emptied"), "the list of past builds stands nowhere else"),
    ("BuildKit's history.db", (FLIPPED,), f"{NO_SUM}: the words of a record"),
    ("containerd's uuid", ("deleted", FLIPPED), "another one is as good"),
    ("engine's id", ("deleted", FLIPPED), "another one is as good"),
    ("plugin's config.json", (FLIPPED,), "its name, and names of members that plugins have, stand nowhere else"),
    ("swarm's worker/tasks.db", (FLIPPED,), f"{NO_SUM}: the name of the table"),
)  # fmt: skip


def _claims() -> Iterator[tuple[tuple[str, str], Claim]]:
    for kind, damages, why in SAME:
        yield from (((kind, damage), Claim("same", why)) for damage in damages)
    for kind, damages, why in ALONE:
        yield from (((kind, damage), Claim("alone", why)) for damage in damages)


CLAIMS: dict[tuple[str, str], Claim] = dict(_claims())
"""Of a kind that is struck by a damage."""
