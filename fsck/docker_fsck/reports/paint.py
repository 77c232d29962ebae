"""Styled lines on a terminal that shows colours, by way of rich; imported only for such a terminal."""

from collections.abc import Iterable
from io import StringIO

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from docker_fsck.reports.lines import Block, Branch, Line

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


def painted(blocks: Iterable[Block]) -> str:
    """The lines and trees with the escape sequences of their styles; they are wrapped already, so rich leaves them alone."""
    target = StringIO()
    console = Console(
        file=target,
        force_terminal=True,
        color_system="standard",
        no_color=False,  # whoever calls has heeded NO_COLOR, which --color overrides
        width=100_000,
        highlight=False,
        markup=False,
        emoji=False,
    )
    for each in blocks:
        console.print(_tree(each) if isinstance(each, Branch) else _text(each), soft_wrap=True)
    return target.getvalue()


def _text(line: Line) -> Text:
    return Text.assemble(*((part, STYLES.get(style, "")) for style, part in line), no_wrap=True, overflow="ignore")


def _tree(branch: Branch) -> Tree:
    tree = Tree(_text(branch.label), guide_style="dim")
    todo = [(tree, branch)]
    while todo:
        node, above = todo.pop()
        todo += [(node.add(_text(each.label)), each) for each in above.below]
    return tree
