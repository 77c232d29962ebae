"""How much of a report is shown, and how the commands in it must be called; a value."""

import msgspec

from docker_fsck.values import ActionClass


class View(msgspec.Struct, frozen=True, kw_only=True):
    """`verbose` leaves nothing out. `classes`: what is blocked only because it is of another class is just counted.

    The rest is for the commands that a report proposes: the program's name, the options without which they would mean another
    root (`where`), and those without which a check would find something else (`how`).
    """

    program: str = "docker-fsck"
    where: tuple[str, ...] = ()
    how: tuple[str, ...] = ()
    verbose: bool = False
    classes: frozenset[ActionClass] = frozenset(ActionClass)

    def call(self, words: str) -> str:
        """A command about what was done to this root."""
        return " ".join((self.program, words, *self.where))

    def again(self, words: str) -> str:
        """A command that checks this root once more."""
        return " ".join((self.program, words, *self.where, *self.how))
