"""Writes docs/gate.md from the tables of what changes with versions of the engine: `python docs/write_gate.py`.

A test holds page and tables equal.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from docker_fsck.upgrade import timeline
from docker_fsck.upgrade.choice import Choice, Homes, choose
from docker_fsck.upgrade.settings import Settings
from docker_fsck.upgrade.timeline import CHANGES, DRIVERS
from docker_fsck.upgrade.version import FIRST, LAST, Version

PAGE = Path(__file__).with_name("gate.md")
HEAD = f"""# The gate: may another engine be started on this root?

Written from the tables of the program by `docs/write_gate.py`; do not edit.

    docker-fsck gate --target 29.0 [--daemon-json FILE]

says in its first line `passed`, `blocked` or `undecided`, then why, and what to do. It checks the root as `check` does, and asks
besides what an engine of that version can no longer read, will hide, or will do by itself. Downgrades are asked in the same way.
It changes nothing.

| exit | |
|---|---|
| 0 | passed: no finding of error or worse (or at `--fail-on`, where that is stricter) |
| 4 | blocked, whatever `--fail-on` says; a finding that `--baseline` accepts does not block |
| 8 | undecided: something could not be read or judged; 12 where that and a finding stand against it |
| 16, 64 | as everywhere: the call is wrong, the folder is no data root |

Versions {FIRST} to {LAST.major} are known; `29` means 29.0, the first of its kind. Another one is a usage error.

What the engine is told decides which store it opens. If the root is that of this host's engine, its daemon.json and the flags
`--storage-driver` and `--feature` of its command line count; of another root nothing is assumed. `--daemon-json FILE` names the
configuration that the new engine will have. Its environment is not known here: DOCKER_DRIVER, and
DOCKER_MIGRATE_SNAPSHOTTER_THRESHOLD.

In JSON the answer is `gate` in the report, with `target`, `decision`, `opens`, `why` and `settings`. `--format` and `--report`
work as for `check`.
"""


def page() -> str:
    """The page."""
    return "\n".join([HEAD, *_changes(), "", *_drivers(), "", *_choices()]) + "\n"


def _changes() -> Iterator[str]:
    yield from ["## What changes from which version on", "", "| from | what | rules |", "|---|---|---|"]
    for change in CHANGES:
        yield f"| {change.since} | {change.what} | {', '.join(f'[{name}](rules/{name}.md)' for name in change.rules)} |"


def _drivers() -> Iterator[str]:
    yield from ["## Storage drivers", "", "| driver | from | to be chosen explicitly from | gone with |", "|---|---|---|---|"]
    for name, driver in DRIVERS.items():
        yield f"| {name} | {driver.since} | {driver.explicit or ''} | {driver.until or ''} |"
    yield f"| plugins (`/` or `:` in the name) | 1.13 | | {timeline.PLUGINS_END} |"


def _choices() -> Iterator[str]:
    """What engines open where nothing is configured."""
    versions = [Version(17, 12), Version(20, 10), Version(23), Version(24), Version(25), Version(28), Version(29)]
    yield from ["## What an engine opens if nothing is configured", ""]
    yield "`the host's` is the first driver that the host can do; `stops`: it does not start."
    yield from ["", f"| the root holds | {' | '.join(map(str, versions))} |", f"|---|{'---|' * len(versions)}"]
    for homes in (*((name,) for name in DRIVERS), ("overlay2", "vfs"), ("aufs", "overlay2"), ("btrfs", "overlay2"), ()):
        cells = [_cell(choose(version, Settings(), Homes(homes))) for version in versions]
        yield f"| {' and '.join(homes) or 'no driver with state'} | {' | '.join(cells)} |"


def _cell(choice: Choice) -> str:
    return choice.store or ("**stops**" if choice.refuses else "the host's")


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
