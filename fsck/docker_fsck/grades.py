"""The words by which findings, actions and runs are graded, each in its order; values only."""

import enum


class Severity(enum.StrEnum):
    """How bad a finding is (interface section 5), from mild to worst."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info up to 3 for critical."""
        return list(Severity).index(self)


class ActionClass(enum.StrEnum):
    """What kind of consent a change needs (interface section 3), from gentle to harsh."""

    LOSSLESS = "lossless"
    RECLAIM = "reclaim"
    LOSSY = "lossy"
    LOSSY_USER = "lossy-user"
    MANUAL = "manual"

    @property
    def rank(self) -> int:
        """0 for lossless up to 4 for manual."""
        return list(ActionClass).index(self)


class Level(enum.StrEnum):
    """How deep a check looks; a rule runs at its own level and above."""

    QUICK = "quick"
    STANDARD = "standard"
    DEEP = "deep"

    @property
    def rank(self) -> int:
        """0 for quick up to 2 for deep."""
        return list(Level).index(self)


class Confidence(enum.StrEnum):
    """Only a certain finding may carry an action."""

    CERTAIN = "certain"
    PROBABLE = "probable"
