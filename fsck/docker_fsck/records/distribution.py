"""The distribution cache, read only to tell from where an image can be pulled again (classic-store 4)."""

from docker_fsck.ids import hex_of
from docker_fsck.reader import Reader
from docker_fsck.records.gojson import strict, text


def sources(reader: Reader, image_dir: str, diff: str) -> tuple[str, ...]:
    """Repositories that a layer with this diff id came from or went to, as names a person types."""
    path = f"{image_dir}/distribution/v2metadata-by-diffid/sha256/{hex_of(diff)}"
    data = reader.read(path)
    value = strict(data, path) if isinstance(data, bytes) else None
    names = [text(entry, "SourceRepository") for entry in (value if isinstance(value, list) else []) if isinstance(entry, dict)]
    shown = (name.removeprefix("docker.io/").removeprefix("library/") for name in names if name)
    return tuple(dict.fromkeys(shown))
