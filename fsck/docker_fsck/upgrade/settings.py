"""What of an engine's configuration decides which store it opens, as values; pure.

Sources: the documents of dockerd on daemon.json, and buildkit-and-containerd-store 5 (`daemon/image_store_choice.go`).
"""

import base64
import hashlib
from typing import Any

import msgspec

_DER = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
"""What stands before the two numbers of a public key of P-256 in DER."""
SNAPSHOTTER, MIGRATION = "containerd-snapshotter", "containerd-migration"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine on this root was told. `origin`: where that stands, empty if nothing is known of any configuration.

    `driver`: the storage driver chosen explicitly. `root`: the data root as it is named there. `snapshotter`: the feature
    containerd-snapshotter, None if it is not named. `migration`: the feature containerd-migration. `file`: the configuration
    file that was read, `fault`: why an engine would refuse it; `key`: why the key.json beside it cannot be used. `own`: the
    root is that of this host's engine, so that what the host is like matters; `names`: other paths by which the host knows it.
    """

    driver: str = ""
    root: str = ""
    snapshotter: bool | None = None
    migration: bool = False
    origin: str = ""
    file: str = ""
    fault: str = ""
    key: str = ""
    own: bool = False
    names: tuple[str, ...] = ()


def of_json(data: bytes, path: str) -> Settings:
    """What a daemon.json says; one that the engine refuses gives its `fault`."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        return Settings(file=path, fault="the file is empty")
    try:
        found = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
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


def key_fault(data: bytes) -> str:
    """Why engines up to 22 cannot use a key.json, nothing if they can: a P-256 key with an id made of the key (libtrust)."""
    if not data.strip(b"\0 \t\r\n"):
        return "the file is empty" if not data else f"{len(data)} bytes, all of them zero"
    try:
        found = msgspec.json.decode(data)
        parts = [_number(found[name]) for name in ("x", "y", "d")]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, TypeError, ValueError) as error:
        return f"no key in it: {error!r}"
    made = base64.b32encode(hashlib.sha256(_DER + parts[0] + parts[1]).digest()[:30]).decode()
    ident = ":".join(made[at : at + 4] for at in range(0, len(made), 4))
    if (found.get("kty"), found.get("crv")) != ("EC", "P-256"):
        return "no key of the kind P-256"
    return "" if _text(found.get("kid")) == ident else f"its id is {found.get('kid')}, that of the key in it {ident}"


def _number(value: str) -> bytes:
    """32 bytes in base64 for addresses, without its padding."""
    made = base64.b64decode(value + "=" * (-len(value) % 4), b"-_", validate=True)
    if len(made) != 32:  # noqa: PLR2004 - a number of P-256
        raise ValueError(f"a number of {len(made)} bytes")
    return made


def _text(value: Any) -> str:  # noqa: ANN401 - whatever stands in the document
    return value if isinstance(value, str) else ""


def _flag(value: Any) -> bool | None:  # noqa: ANN401
    return value if isinstance(value, bool) else None
