"""Whose the files of a layer are, over all of them: how many have the owner of the archive, and what the map of ids covers."""

import os
from collections.abc import Sequence

from docker_fsck.verify.headers import Attributes, Shift

NO_ID = (1 << 32) - 1
_UID, _GID = 2, 3


class Owners:
    """Counts while a layer is gone through. `shift`: what is added to ids, None where that is not known.

    The map of a user namespace has an end, and what stands behind it may be mapped to anything: it holds up to the highest id
    that is seen shifted.
    """

    def __init__(self, shift: Shift) -> None:
        """Nothing is seen yet."""
        self._shift = shift
        self._all = self._others = 0
        self._top = [0, 0]

    def fit(self, each: Sequence[tuple[int, ...] | None]) -> None:
        """Files that are as their headers say, with owners that are shifted already."""
        self._all += len(each)
        if self._shift is None or self._shift == (0, 0):
            return
        for told in each:
            if told is not None:
                self._seen(told[_UID] - self._shift[0], told[_GID] - self._shift[1])

    def pair(self, each: Attributes, facts: os.stat_result) -> dict[str, tuple[str, str]]:
        """The owner that a file is to have and the one that it has, nothing where that is not known."""
        if self._shift is None:
            return {}
        uid, gid = each.uid + self._shift[0], each.gid + self._shift[1]
        self._all += 1
        self._others += (uid, gid) != (facts.st_uid, facts.st_gid)
        self._seen(each.uid if uid == facts.st_uid else 0, each.gid if gid == facts.st_gid else 0)
        return {"owner": (f"{uid}:{gid}", f"{facts.st_uid}:{facts.st_gid}")}

    def _seen(self, uid: int, gid: int) -> None:
        self._top = [max(self._top[0], uid), max(self._top[1], gid)]

    def known(self, each: Attributes) -> bool:
        """Whether the map is known to cover the owner that the archive tells. To be asked when all files are seen."""
        return self._shift == (0, 0) or self.cover(each.uid, each.gid)

    def cover(self, uid: int, gid: int) -> bool:
        """Whether ids as high as these were seen shifted."""
        return uid <= self._top[0] and gid <= self._top[1]

    def given(self, each: Attributes) -> tuple[int, int] | None:
        """The owner that the file can be given; none where most files of the layer have another: somebody meant it so."""
        if self._shift is None or 2 * self._others > self._all:
            return None
        uid, gid = each.uid + self._shift[0], each.gid + self._shift[1]
        return (uid, gid) if max(uid, gid) < NO_ID else None
