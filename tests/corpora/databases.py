"""The bolt databases in the archives, straight from the stream, and damaged copies of them by number."""

import hashlib
import random
import struct
import tarfile
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import unpacking
import zstandard

from docker_fsck import bolt
from docker_fsck.testing import subvolumes
from docker_fsck.testing.boltfile import meta

ALL = (*unpacking.CLEAN, *unpacking.DIRTY, unpacking.CONTAINERD, unpacking.MIGRATED)
BASES = ("docker20.10-vfs-mixed", "docker28.5-overlay2-buildkit", "docker29.7-overlayfs-managed")
"""Archives whose databases are damaged: each layout and each owner is among them."""
NUMBERS = (0, 1, 2, 3, 5, 15, 16, 17, 255, 0xFFFF, 0x10000, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1)


@cache
def databases(name: str) -> dict[str, bytes]:
    """Path and bytes of every database in an archive; paths as in the archive."""
    if name in unpacking.IMAGES:
        return _attached(name)
    found = {}
    with (
        unpacking.archive(name).open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        for member in tar:
            content = tar.extractfile(member) if member.isfile() and member.name.endswith(".db") else None
            if content is not None:
                found[member.name.removeprefix("./")] = content.read()
    return found


def _attached(name: str) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="dfb") as place, unpacking.attached(name, Path(place)) as root:
        return {f"{unpacking.DATA_ROOT}/{path.relative_to(root)}": path.read_bytes() for path in sorted(root.rglob("*.db"))}


def lacks(name: str) -> str:
    """Why the databases of an archive cannot be read here, nothing if they can."""
    if not unpacking.archive(name).exists():
        return "a source distribution has no corpora"
    return subvolumes.lacks() if name in unpacking.IMAGES else ""


@cache
def bases() -> tuple[bytes, ...]:
    """What is damaged: databases of the corpora up to their high-water mark, of up to 64 pages."""
    found = []
    for name in BASES:
        for _, data in sorted(databases(name).items()):
            database = bolt.open_bytes(data)
            if database.high_water <= 64:
                found.append(data[: database.high_water * database.page_size])
    return tuple(found)


def mutated(number: int) -> bytes:
    """The damaged database of this number: always the same one."""
    chance = random.Random(number)
    data = bytearray(chance.choice(bases()))
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        chance.choice(BLOWS)(data, chance)
    return bytes(data)


def digest(data: bytes) -> str:
    """The first digits of the SHA-256."""
    return hashlib.sha256(data).hexdigest()[:12]


def _page(data: bytearray, chance: random.Random) -> int:
    """Where a page begins, one of the metas seldom."""
    pages = max(len(data) // 4096, 1)
    return 4096 * (chance.randrange(2, pages) if pages > 2 and chance.random() < 0.9 else chance.randrange(pages))


def _put(data: bytearray, at: int, form: str, number: int) -> None:
    size = struct.calcsize(form)
    if at + size <= len(data):
        struct.pack_into(form, data, at, number % (1 << 8 * size))


def flipped(data: bytearray, chance: random.Random) -> None:
    """One bit, in the table of elements more often than elsewhere."""
    at = _page(data, chance) + chance.choice((chance.randrange(4096), chance.randrange(256)))
    if at < len(data):
        data[at] ^= 1 << chance.randrange(8)


def noisy(data: bytearray, chance: random.Random) -> None:
    """Eight random bytes."""
    _put(data, _page(data, chance) + chance.randrange(4088), "<Q", chance.getrandbits(64))


def zeroed(data: bytearray, chance: random.Random) -> None:
    """A page, or a sector of it, of zero bytes."""
    at, size = _page(data, chance), chance.choice((512, 4096))
    data[at : at + size] = bytes(min(size, len(data) - at))


def cut(data: bytearray, chance: random.Random) -> None:
    """Less of the file, at the end of a page or inside one."""
    del data[_page(data, chance) + chance.choice((0, 0, 1, 16, 100, 4095)) :]


def header(data: bytearray, chance: random.Random) -> None:
    """A number in a page's header: id, kind, count, overflow."""
    at, form = chance.choice(((0, "<Q"), (8, "<H"), (10, "<H"), (12, "<I")))
    _put(data, _page(data, chance) + at, form, chance.choice((*NUMBERS, chance.randrange(64))))


def element(data: bytearray, chance: random.Random) -> None:
    """A number in a table of elements: flags or pos, pos or key size, key size, value size, child."""
    at = _page(data, chance) + 16 + 16 * chance.choice((0, 0, 1, 2, 5, 20)) + 4 * chance.randrange(4)
    _put(data, at, chance.choice(("<I", "<Q")), chance.choice((*NUMBERS, chance.randrange(64), chance.randrange(4096))))


def exchanged(data: bytearray, chance: random.Random) -> None:
    """A page with the bytes of another; its number may be put right, so that only the trees can tell."""
    one, other = _page(data, chance), _page(data, chance)
    data[one : one + 4096] = data[other : other + 4096]
    if chance.random() < 0.5:
        _put(data, one, "<Q", one // 4096)


def crossed(data: bytearray, chance: random.Random) -> None:
    """A bucket's root, or a branch's child, that is another page: a cycle, a page reached twice, a meta."""
    number = chance.randrange(max(len(data) // 4096, 1) + 1)
    places = [at for at in range(8192, len(data) - 15, 8) if 2 <= struct.unpack_from("<Q", data, at)[0] < 64]
    if places:
        _put(data, chance.choice(places), "<Q", number)


def claimed(data: bytearray, chance: random.Random) -> None:
    """A newest meta that is valid and tells of other pages."""
    known = bolt.txids(bytes(data))
    if known:
        txid = max(known) + 1
        pages = len(data) // 4096
        root, freelist, high = (chance.choice((*NUMBERS, *range(pages))) for _ in range(3))
        data[4096 * (txid % 2) : 4096 * (txid % 2) + 4096] = meta(txid, root=root, freelist=freelist, high_water=high)


BLOWS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flipped, flipped, flipped, noisy, noisy, zeroed, cut, header, header, element, element, exchanged, crossed, claimed,
)  # fmt: skip
