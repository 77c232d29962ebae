"""The expected ways in which a run ends early, each with the exit bit it sets.

FsckError
├── UsageError        16   the call or the configuration is wrong
│   └── RootError     16   the data root is not there or must not be read
├── Refused           64   the state of the host or the root forbids it
└── Incomplete         8   the program is not whole, or the root was not read
"""

CORRECTED = 1
FINDINGS = 4
INCOMPLETE = 8
USAGE = 16
INTERRUPTED = 32
REFUSED = 64


class FsckError(Exception):
    """An end that the user is told in one line, without a traceback."""

    exit_bit = INCOMPLETE


class UsageError(FsckError):
    """The call or the configuration is wrong."""

    exit_bit = USAGE


class RootError(UsageError):
    """The data root is absent, no folder, or may not be read."""


class Refused(FsckError):
    """Nothing was changed, because the state of the host or the root forbids it."""

    exit_bit = REFUSED


class Incomplete(FsckError):
    """A part of the program or of the root could not be had, so that nothing is known."""

    exit_bit = INCOMPLETE
