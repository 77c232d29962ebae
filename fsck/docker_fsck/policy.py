"""What configuration and call allow; a value, no behaviour that touches a disk."""

import msgspec

from docker_fsck.upgrade.settings import Settings
from docker_fsck.upgrade.version import Version
from docker_fsck.values import ActionClass, Severity

DAY = 86400.0
MASS_SHARE = 0.25
MASS_FLOOR = 20


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """`now` and `grace` are seconds (epoch, duration); `consents` are full ids; `keep_*` protect from every change;
    what stands on a kept image or container, or below one, is protected from every loss.

    `classes` is what the plan may hold; the bare run shows every class. `engine`: how the engine of this root is configured.
    `target`: the engine version that the gate asks about; without it no rule of the gate runs. `sources`: archives, folders and
    data roots from which layers may be restored.
    """

    now: float
    grace: float = DAY
    classes: frozenset[ActionClass] = frozenset(ActionClass)
    consents: frozenset[str] = frozenset()
    allow_mass: bool = False
    keep_images: tuple[str, ...] = ()
    keep_labels: tuple[str, ...] = ()
    keep_paths: tuple[str, ...] = ()
    fail_on: Severity | None = Severity.ERROR
    engine: Settings = Settings()
    target: Version | None = None
    sources: tuple[str, ...] = ()

    def young(self, ctime_ns: int) -> bool:
        """Whether something changed at `ctime_ns` is inside the grace period; a time in the future counts as young."""
        if self.grace <= 0:
            return False
        return self.now - ctime_ns / 1e9 < self.grace
