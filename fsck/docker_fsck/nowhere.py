"""A tree for rules on the root as a whole: the first of its trees, or an empty one where the root has none; reads nothing."""

from typing import TYPE_CHECKING

from docker_fsck.model import Model
from docker_fsck.watched import Unseen

if TYPE_CHECKING:
    from docker_fsck.protocols import Home
    from docker_fsck.reader import Reader
    from docker_fsck.store import Store


def anchor(store: "Store") -> Model:
    """The model through which a rule of the gate sees the store."""
    return store.models[0] if store.models else Model(store, Nowhere())


class Nowhere:
    """The graph driver of a root without any: it has no state."""

    name = "none"

    def detect(self, reader: "Reader") -> bool:
        """Never."""
        del reader
        return False

    def survey(self, reader: "Reader") -> "Home":
        """A home of which nothing is known."""
        del reader
        return Unseen(self.name, "there is no tree of a storage driver")
