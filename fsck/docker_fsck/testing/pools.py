"""The homes of graph drivers that keep layers in a pool (zfs, devicemapper): what lies in the root, and what a probe would print."""

import json
from collections.abc import Mapping
from pathlib import Path

from docker_fsck.testing.disk import Disk
from docker_fsck.testing.layertar import MTIME, Files

ZFS_PARENT = "tank/docker"


class Zfs:
    """Datasets `tank/docker/<id>`, each a clone of its parent's; in the root only `zfs/graph` (classic-store 9.7).

    `rows` are the lines of the list by name: origin, mountpoint, type, creation in seconds. Change them to do damage.
    """

    def __init__(self, home: Path, disk: Disk) -> None:
        self._home, self._disk = disk.folder(home, 0o710), disk
        disk.folder(home / "graph", 0o710)
        self.rows: dict[str, list[str]] = {}
        self.put("tank", mountpoint="/tank")
        self.put(ZFS_PARENT, mountpoint="/var/lib/docker")
        self.put("tank/home", mountpoint="/home")
        self.put("tank/home@20240101", kind="snapshot")

    def put(self, name: str, origin: str = "-", mountpoint: str = "legacy", kind: str = "filesystem", born: int = MTIME) -> None:
        """A line of the list."""
        self.rows[name] = [origin, "131072", "-" if kind == "snapshot" else mountpoint, kind, str(born)]

    def folder(self, ident: str) -> Path:
        """`zfs/graph/<id>`, there only while it is mounted."""
        return self._home / "graph" / ident

    def content(self, ident: str) -> Path:
        """The same."""
        return self.folder(ident)

    def make(self, ident: str, parent: str | None, files: Files, kind: str) -> None:
        """A dataset, or a snapshot of the parent's with a clone of it."""
        del files, kind
        origin = "-"
        if parent is not None:
            origin = f"{ZFS_PARENT}/{parent}@{100_000_000 + len(self.rows)}"
            self.put(origin, kind="snapshot")
        self.put(f"{ZFS_PARENT}/{ident}", origin)

    def probe(self) -> str:
        """What `zfs list` prints."""
        return "".join("\t".join((name, *fields)) + "\n" for name, fields in sorted(self.rows.items()))


class Devicemapper:
    """`devicemapper/metadata/<id>` with the number of a thin device (classic-store 9.8). `numbers` are those of the pool."""

    def __init__(self, home: Path, disk: Disk) -> None:
        self._home, self._disk = disk.folder(home, 0o700), disk
        self.numbers: list[int] = []
        for name in ("metadata", "mnt"):
            disk.folder(home / name, 0o700)
        self.make("base", None, {}, "image")

    def folder(self, ident: str) -> Path:
        """The file of the device."""
        return self._home / "metadata" / ident

    def content(self, ident: str) -> Path:
        """Where it is mounted."""
        return self._home / "mnt" / ident / "rootfs"

    def make(self, ident: str, parent: str | None, files: Files, kind: str) -> None:
        """A thin device."""
        del parent, files, kind
        number = len(self.numbers) + 1
        self.numbers.append(number)
        fields = {
            "device_id": number,
            "size": 10 << 30,
            "transaction_id": number,
            "initialized": ident == "base",
            "deleted": False,
        }
        self._put(ident, fields)
        self._put("deviceset-metadata", {"next_device_id": number + 1, "BaseDeviceUUID": "0-1-2", "BaseDeviceFilesystem": "xfs"})
        self._put("transaction-metadata", {"open_transaction_id": number, "device_hash": ident, "device_id": number})

    def _put(self, name: str, fields: Mapping[str, object]) -> None:
        self._disk.put(self._home / "metadata" / name, json.dumps(fields, separators=(",", ":")), 0o600)

    def probe(self) -> str:
        """What `thin_dump --skip-mappings` (0.9) prints."""
        head = f'<superblock uuid="" time="1" transaction="{max(self.numbers)}" flags="0" version="2" data_block_size="128"'
        rows = [
            f'  <device dev_id="{each}" mapped_blocks="16" transaction="{each}" creation_time="0" snap_time="0">\n  </device>'
            for each in self.numbers
        ]
        return "\n".join((f'{head} nr_data_blocks="1600">', *rows, "</superblock>", ""))
