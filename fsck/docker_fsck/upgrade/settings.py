"""What of an engine's configuration decides which store it opens, as values; pure.

Sources: the documents of dockerd on daemon.json, and buildkit-and-containerd-store 5 (`daemon/image_store_choice.go`).
"""

from typing import Any

import msgspec

SNAPSHOTTER, MIGRATION = "containerd-snapshotter", "containerd-migration"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine on this root was told. `origin`: where that stands, empty if nothing is known of any configuration.

    `driver`: the storage driver chosen explicitly. `root`: the data root as it is named there. `snapshotter`: the feature
    containerd-snapshotter, None if it is not named. `migration`: the feature containerd-migration. `file`: the configuration
    file that was read, `fault`: why an engine would refuse it. `own`: the root is that of this host's engine, so that what the
    host is like matters; `names`: other paths by which the host knows it.
    """

    driver: str = ""
    root: str = ""
    snapshotter: bool | None = None
    migration: bool = False
    origin: str = ""
    file: str = ""
    fault: str = ""
    own: bool = False
    names: tuple[str, ...] = ()


def of_json(data: bytes, path: str) -> Settings:
    """What a daemon.json says; one that the engine refuses gives its `fault`."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        return Settings(file=path, fault="the file is empty")
    try:
        found = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return Settings(file=path, fault=str(error))
    if not isinstance(found, dict):
        return Settings(file=path, fault="not a JSON object")
    features = found.get("features")
    features = features if isinstance(features, dict) else {}
    return Settings(
        driver=_text(found.get("storage-driver")) or _text(found.get("graphdriver")),
        root=_text(found.get("data-root")) or _text(found.get("graph")),
        snapshotter=_flag(features.get(SNAPSHOTTER)),
        migration=_flag(features.get(MIGRATION)) is True,
        origin=path,
        file=path,
    )


def _text(value: Any) -> str:  # noqa: ANN401 - whatever stands in the document
    return value if isinstance(value, str) else ""


def _flag(value: Any) -> bool | None:  # noqa: ANN401
    return value if isinstance(value, bool) else None
