"""Drafts that meet in one file: which of them go together, and what becomes one action. Pure."""

from typing import TYPE_CHECKING

import msgspec

from docker_fsck.expand import WRITE, Draft
from docker_fsck.records import repositories
from docker_fsck.values import Blocked, Remedy, WriteFile, printable

if TYPE_CHECKING:
    from docker_fsck.model import Model


def refusal(made: Draft, mark: str, why: str) -> Blocked:
    """That a draft is none of the plan's, for one of its findings."""
    return Blocked(fingerprint=mark, why=printable(why), cls=made.cls, does=printable("; ".join(made.does)))


def rewrites(model: "Model", remedy: Remedy) -> bool:
    """Whether a remedy writes the tag store anew."""
    return any(isinstance(step, WriteFile) and step.raw == model.tags.path for step in remedy.steps)


def agreeing(drafts: list[Draft], blocked: list[Blocked]) -> list[Draft]:
    """The drafts, gentle ones first, of which no two say different things of one path; of two that do the gentler stays.

    To drop names goes together with to write the names anew: the first then is done to what the second writes.
    """
    kept: list[Draft] = []
    owner: dict[tuple[str, str], object] = {}
    for made in sorted(drafts, key=lambda each: each.cls.rank):
        wants: dict[tuple[str, str], object] = {(step.raw, ""): step for _, step in made.steps}
        if made.retag:
            wants[made.model.tags.path, "names" if made.retag <= made.known.keys() else ""] = (made.cls, made.consent)
        clash = next((path for path, what in wants.items() if owner.get(path, what) != what), None)
        if clash is None:
            owner.update(wants)
            kept.append(made)
        else:
            why = f"{clash[0]} is changed by another action: run again afterwards"
            blocked += [refusal(made, mark, why) for mark in made.findings]
    return kept


def joined(drafts: list[Draft]) -> list[Draft]:
    """One draft for all that rewrites one tag store, unless what is written anew names nothing that goes.

    What is written without a loss stays for itself, with the names of what goes: the next round drops them.
    """
    anew = {made.model.tags.path: made for made in reversed(drafts) if made.names is not None}
    drafts = [_true(made, anew.get(made.model.tags.path)) for made in drafts]
    dropped = {made.model.tags.path for made in drafts if made.retag}
    first: dict[str, int] = {}
    found: list[Draft] = []
    for made in drafts:
        path = made.model.tags.path
        takes_part = made.retag or (made.names is not None and path in dropped)
        place = first.setdefault(path, len(found)) if takes_part else len(found)
        if place < len(found):
            found[place] = _sum(found[place], made)
        else:
            found.append(made)
    return found


def _true(made: Draft, anew: Draft | None) -> Draft:
    """The draft, dropping only names that the tag store will have, and none of what is written by another class of action."""
    there = made.model.tags.tags if anew is None or anew.names is None else anew.names
    there = there if anew is None or anew.cls is made.cls else {}
    return made if made.retag <= there.keys() else msgspec.structs.replace(made, retag=made.retag & there.keys())


def _sum(first: Draft, other: Draft) -> Draft:
    lists = {
        name: list(dict.fromkeys((*getattr(first, name), *getattr(other, name))))
        for name in ("findings", "loses", "next", "pull")
    }
    sets = {name: getattr(first, name) | getattr(other, name) for name in ("layers", "dirs", "images", "mounts", "retag")}
    path = first.model.tags.path
    steps = [(place, step) for place, step in first.steps + other.steps if step.raw != path]
    names = first.names if other.names is None else other.names
    return msgspec.structs.replace(
        first,
        does=first.does + other.does,
        steps=steps,
        names=names,
        unnamed=first.unnamed + other.unnamed,
        **lists,
        **sets,
    )


def tag_step(made: Draft) -> WriteFile:
    """From the tags that were judged: a second read could fail, and an empty file keeps the engine from starting."""
    store = made.model.tags
    tags = store.tags if made.names is None else made.names
    kept = {key: image for key, image in tags.items() if key not in made.retag}
    return WriteFile(path=store.path, data=repositories.encode(kept), mode=0o600, rank=WRITE)
