"""Styled lines on a terminal that shows colours, by way of rich; imported only for such a terminal."""

from collections.abc import Iterable
from io import StringIO

from rich.console import Console
from rich.text import Text

from docker_fsck.reports.lines import Line

STYLES = {
    "critical": "bold white on red",
    "error": "bold red",
    "warning": "yellow",
    "info": "cyan",
    "good": "green",
    "head": "bold",
    "label": "dim",
    "command": "green",
}


def painted(lines: Iterable[Line]) -> str:
    """The lines with the escape sequences of their styles; they are wrapped already, so rich leaves their length alone."""
    target = StringIO()
    console = Console(
        file=target, force_terminal=True, color_system="standard", width=100_000, highlight=False, markup=False, emoji=False
    )
    for each in lines:
        text = Text.assemble(*((part, STYLES.get(style, "")) for style, part in each), no_wrap=True, overflow="ignore")
        console.print(text, soft_wrap=True)
    return target.getvalue()
