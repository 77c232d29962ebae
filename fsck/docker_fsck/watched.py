"""Drivers and stores of plugins, asked so that a crash in one is an answer: nothing was seen, and that is told (law 6)."""

from collections.abc import Collection, Mapping

from docker_fsck.contain import Crash, attempt
from docker_fsck.host import Recorded
from docker_fsck.protocols import Driver, Home, Part, ProbedDriver, References, ReferenceSource
from docker_fsck.reader import Reader
from docker_fsck.values import Source, Trouble

EVERYTHING = frozenset({"layers", "dirs", "buildkit-dirs"})


class Watched:
    """A driver whose crashes go to `crashes`, and that is given what was recorded of its pool if it has one."""

    def __init__(self, driver: Driver, crashes: list[str], recorded: Mapping[str, Recorded]) -> None:
        """Nothing is asked yet."""
        self.name, self._driver, self._crashes = driver.name, driver, crashes
        self._recorded = recorded.get(driver.name)

    @property
    def probed(self) -> bool:
        """Whether the driver has a pool that the root does not show."""
        return isinstance(self._driver, ProbedDriver)

    def detect(self, reader: Reader) -> bool:
        """Whether the driver has state here; one that crashes has none that it could judge."""
        found = attempt(self._driver.detect, reader)
        if isinstance(found, Crash):
            self._crashes.append(f"driver {self.name} could not look for its state: {found.why}")
            return False
        return bool(found)

    def survey(self, reader: Reader) -> Home:
        """The driver's home, or one of which nothing could be seen."""
        found = attempt(self._survey, reader)
        if isinstance(found, Crash):
            self._crashes.append(f"driver {self.name} could not read its home: {found.why}")
            return Unseen(self.name, found.why)
        return found

    def _survey(self, reader: Reader) -> Home:
        if isinstance(self._driver, ProbedDriver):
            return self._driver.survey_with(reader, self._recorded)
        return self._driver.survey(reader)


class Unseen:
    """A home of which nothing is known: no folder of it is there for certain, and none is gone."""

    union = True

    def __init__(self, name: str, why: str) -> None:
        """Remember why."""
        self.name = name
        self.partial: tuple[Trouble, ...] = (Trouble(name, "unreadable", why),)

    def ids(self) -> Collection[str]:
        """None is known."""
        return ()

    def path(self, ident: str) -> str:
        """Somewhere in the home."""
        return f"{self.name}/{ident}"

    def content(self, ident: str) -> str:
        """The same place."""
        return self.path(ident)

    def missing(self, ident: str) -> Part | None:
        """Nothing that one could tell."""
        del ident
        return None

    def needs(self, ident: str) -> tuple[str, ...]:
        """Unknown, see `vague`."""
        del ident
        return ()

    def vague(self, ident: str) -> bool:
        """It may need any other."""
        del ident
        return True

    def aliases(self, ident: str) -> tuple[str, ...]:
        """The one path that is known."""
        return (self.path(ident),)

    def holdings(self, ident: str) -> tuple[str, ...]:
        """Nothing is moved that was not seen."""
        del ident
        return ()


def references(source: ReferenceSource, reader: Reader, dirs: Collection[str], crashes: list[str]) -> References:
    """What a store keeps alive; one that crashes could have named anything."""
    found = attempt(source.references, reader, dirs)
    if isinstance(found, References):
        return found
    why = found.why if isinstance(found, Crash) else "its answer is none"
    crashes.append(f"store {source.name} could not be read: {why}")
    return References(sources=(Source(source.name, "unreadable", why),), hides=EVERYTHING)
