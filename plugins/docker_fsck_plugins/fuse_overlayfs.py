"""The graph driver fuse-overlayfs: files and laws are those of overlay2, under another name (classic-store 9.3)."""

from collections.abc import Iterator

from docker_fsck.api import Driver, hookimpl
from docker_fsck_plugins.overlay2 import OverlayDriver


@hookimpl
def fsck_drivers() -> Iterator[Driver]:
    """The driver fuse-overlayfs."""
    yield OverlayDriver("fuse-overlayfs")
