"""How much of a report is shown, and how the commands in it must be called; a value."""

import msgspec


class View(msgspec.Struct, frozen=True):
    """`prefix` is the program with the options that a next command needs to mean the same root; `verbose` leaves nothing out."""

    prefix: str
    verbose: bool
