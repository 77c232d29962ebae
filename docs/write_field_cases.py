"""Writes docs/field-cases.md from the tests of the field cases: `python docs/write_field_cases.py`.

A test holds page and tests equal. It needs the tests beside it.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests/fieldcases"))

from field_host import CASES as HOST  # noqa: E402 - found only now
from field_layers import CASES as LAYERS  # noqa: E402
from field_rest import CASES as REST  # noqa: E402

from docker_fsck.sayings.cases import TITLES  # noqa: E402

PAGE = HERE / "field-cases.md"
HEAD = """# Field cases

Failures of Docker's storage as users met them. Written from their tests by `docs/write_field_cases.py`; do not edit.

Each state below is built on a whole root in `tests/fieldcases`, and checked, planned, mended and taken back there. The test holds
what is found, how grave it is called, of which class the repair is, and what must never be put away. What this version cannot
judge yet is told: then the test holds that nothing is done which the case forbids. `silent, as it must be`: the case is no fault.

| case | state | what finds it | repair |
|---|---|---|---|"""


def page() -> str:
    """The page."""
    return "\n".join([HEAD, *_rows()]) + "\n"


def _rows() -> Iterator[str]:
    for case, title in TITLES.items():
        yield f"| **{case}** | **{_safe(title)}** | | |"
        for each in (*LAYERS, *REST, *HOST):
            if each.id == case:
                classes = ", ".join(sorted(each.classes)) or "none"
                target = f" (`gate --target {each.target}`)" if each.target else ""
                yield f"| | {_safe(each.what)}{target} | {_safe(each.state)} | {classes} |"


def _safe(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
