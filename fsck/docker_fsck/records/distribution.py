"""The distribution cache: which blob of a registry is which layer, and where a layer came from or went to (classic-store 4)."""

from collections.abc import Callable

import msgspec

from docker_fsck import ahead
from docker_fsck.ids import HEX64, hex_of, is_digest
from docker_fsck.reader import SMALL, Reader
from docker_fsck.records.fields import shown, trimmed
from docker_fsck.records.gojson import strict, text
from docker_fsck.values import Trouble

BY_DIGEST, BY_DIFF = "diffid-by-digest", "v2metadata-by-diffid"


class Distribution(msgspec.Struct, frozen=True):
    """`diffs`: the diff id of each blob digest; `digests`: those that each diff id is known by. A `Trouble` for what is no entry.

    `strays`: temporary files and other things among the entries, by path. `unlisted`: the halves that could not be listed.
    """

    base: str
    diffs: dict[str, str | Trouble]
    digests: dict[str, tuple[str, ...] | Trouble]
    strays: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()

    def by_digest(self, digest: str) -> str:
        """Where the diff id of a blob is kept."""
        return f"{self.base}/{BY_DIGEST}/sha256/{hex_of(digest)}"

    def by_diff(self, diff: str) -> str:
        """Where the digests of a layer are kept."""
        return f"{self.base}/{BY_DIFF}/sha256/{hex_of(diff)}"


def begin(reader: Reader, image_dir: str, layers: int) -> Callable[[], Distribution]:
    """Start to read in a second process where there are many layers; what comes back ends it."""
    return ahead.begin(reader, lambda each: read(each, image_dir), Distribution, layers)


def read(reader: Reader, image_dir: str) -> Distribution:
    """The whole cache; what cannot be listed is told by name."""
    base = f"{image_dir}/distribution"
    diffs: dict[str, str | Trouble] = {}
    digests: dict[str, tuple[str, ...] | Trouble] = {}
    strays: list[str] = []
    unlisted: list[str] = []
    for folder in (BY_DIGEST, BY_DIFF):
        names = reader.names(f"{base}/{folder}/sha256")
        if isinstance(names, Trouble):
            unlisted.append(folder)
        for name in names if isinstance(names, dict) else ():
            path = f"{base}/{folder}/sha256/{name}"
            if not HEX64.fullmatch(name):
                strays.append(path)
                continue
            data = reader.read(path, SMALL)
            if folder == BY_DIGEST:
                diffs[f"sha256:{name}"] = data if isinstance(data, Trouble) else _diff(data, path)
            else:
                digests[f"sha256:{name}"] = data if isinstance(data, Trouble) else _digests(data, path)
    return Distribution(base, diffs, digests, tuple(strays), tuple(unlisted))


def _diff(data: bytes, path: str) -> str | Trouble:
    value = trimmed(data)
    return value if is_digest(value) else Trouble(path, "malformed", shown(data))


def _digests(data: bytes, path: str) -> tuple[str, ...] | Trouble:
    value = strict(data, path)
    if isinstance(value, Trouble):
        return value
    if not isinstance(value, list | None) or not all(isinstance(each, dict) for each in value or ()):
        return Trouble(path, "malformed", "not a list of objects")
    return tuple(digest for each in value or () if (digest := text(each, "Digest")))


def sources(reader: Reader, image_dir: str, diff: str) -> tuple[str, ...]:
    """Repositories that a layer with this diff id came from or went to, as names a person types."""
    path = f"{image_dir}/distribution/{BY_DIFF}/sha256/{hex_of(diff)}"
    data = reader.read(path)
    value = strict(data, path) if isinstance(data, bytes) else None
    names = [text(entry, "SourceRepository") for entry in (value if isinstance(value, list) else []) if isinstance(entry, dict)]
    shown_names = (name.removeprefix("docker.io/").removeprefix("library/") for name in names if name)
    return tuple(dict.fromkeys(shown_names))
