"""How much of a root one run verifies, and which layers come first; pure."""

import re
from collections.abc import Iterable, Mapping

import msgspec

from docker_fsck.errors import UsageError
from docker_fsck.verdicts import Task
from docker_fsck.verify.memory import Seen

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_PART = re.compile(r"([1-9][0-9]{0,17})/([1-9][0-9]{0,17})")
_SHARE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)%")
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)([KMGT]?)i?B?", re.IGNORECASE)


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """`part` (n, t): the n-th of t parts. `share`: percent of the bytes. `bytes`: so many. `max_age`: seconds within which a good
    verdict need not be asked again.
    """

    part: tuple[int, int] | None = None
    share: float | None = None
    bytes: int | None = None
    max_age: float | None = None


def subset(text: str) -> Budget:
    """The budget that `n/t`, `x%` or `10G` means. Raises `UsageError`."""
    if found := _PART.fullmatch(text):
        number, of = int(found[1]), int(found[2])
        if number <= of:
            return Budget(part=(number, of))
    elif found := _SHARE.fullmatch(text):
        if 0 < float(found[1]) <= 100:  # noqa: PLR2004 - percent
            return Budget(share=float(found[1]))
    elif _SIZE.fullmatch(text):
        return Budget(bytes=size(text, "--subset"))
    raise UsageError(f"--subset {text}: neither a part like 1/5, nor a share like 10%, nor a size like 10G")


def size(text: str, option: str) -> int:
    """Bytes of `100M`, `10G`, `4096`. Raises `UsageError` that names the option."""
    found = _SIZE.fullmatch(text)
    if found is None or not float(found[1]):
        raise UsageError(f"{option} {text}: not a size like 100M or 10G")
    return int(float(found[1]) * UNITS[found[2].upper()])


def chosen(tasks: Iterable[Task], sizes: Mapping[str, int], seen: Mapping[str, Seen], budget: Budget, now: float) -> list[Task]:
    """The tasks of this run: what failed first, then what was never verified, then the longest ago; `sizes` in bytes by chain id.

    Parts are told by the chain id alone: t runs with n/t cover every layer exactly once, whatever comes and goes. What failed is
    in every run, whatever its budget: else the next one would call the root clean.
    """
    every = sorted(tasks, key=lambda task: _turn(seen, task))
    failed = [task for task in every if _failed(seen, task)]
    rest = [task for task in every if not _failed(seen, task) and _in_part(task, budget)]
    rest = [task for task in rest if budget.max_age is None or not lately(seen, task, budget, now)]
    spent = sum(sizes.get(task.chain, 0) for task in failed)
    if budget.share is not None:
        whole = spent + sum(sizes.get(task.chain, 0) for task in rest)
        return failed + _reaching(rest, sizes, whole * budget.share / 100 - spent, first=not failed)
    return failed + (rest if budget.bytes is None else _fitting(rest, sizes, budget.bytes - spent, first=not failed))


def lately(seen: Mapping[str, Seen], task: Task, budget: Budget, now: float) -> bool:
    """Whether a layer was found whole, and not longer ago than --max-age, if that was given."""
    if task.chain not in seen or not seen[task.chain].good:
        return False
    return budget.max_age is None or now - budget.max_age < seen[task.chain].at <= now


def _in_part(task: Task, budget: Budget) -> bool:
    return budget.part is None or int(task.chain[-8:], 16) % budget.part[1] == budget.part[0] - 1


def _failed(seen: Mapping[str, Seen], task: Task) -> bool:
    return task.chain in seen and not seen[task.chain].good


def _reaching(tasks: list[Task], sizes: Mapping[str, int], aim: float, *, first: bool) -> list[Task]:
    """The first tasks that come to `aim` bytes: four runs of a quarter are the whole. `first`: at least one."""
    kept: list[Task] = []
    for task in tasks:
        if (kept or not first) and aim <= 0:
            break
        aim -= sizes.get(task.chain, 0)
        kept.append(task)
    return kept


def _fitting(tasks: list[Task], sizes: Mapping[str, int], room: int, *, first: bool) -> list[Task]:
    """The first tasks up to `room`; if `first` at least one, else a layer larger than every budget would never have its turn."""
    kept: list[Task] = []
    for task in tasks:
        room -= sizes.get(task.chain, 0)
        if (kept or not first) and room < 0:
            break
        kept.append(task)
    return kept


def _turn(seen: Mapping[str, Seen], task: Task) -> tuple[int, float, str]:
    if task.chain not in seen:
        return 1, 0.0, task.chain
    return (0 if _failed(seen, task) else 2), seen[task.chain].at, task.chain
