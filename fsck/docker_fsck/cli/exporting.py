"""The command `export`: a container's own data into a tar outside the root; nothing in the root is changed."""

from collections.abc import Iterator

from docker_fsck.cli import roots, session
from docker_fsck.cli.edge import Call
from docker_fsck.errors import INCOMPLETE, UsageError
from docker_fsck.export.belongings import of
from docker_fsck.export.writing import LAYER, PAPERS, Exported
from docker_fsck.export.writing import export as write
from docker_fsck.reasons import lookup
from docker_fsck.reasons.known import Known
from docker_fsck.reports import document, files
from docker_fsck.reports.lines import Line, fields, line
from docker_fsck.reports.words import brief, escape, many, size
from docker_fsck.store import Store
from docker_fsck.values import printable

_KINDS = ("container", "mount")


@roots.needed()
def export(call: Call) -> int:
    """`export CONTAINER -o FILE.tar`: 0, or bit 8 if something could not be had, which is then told."""
    form, path, asked = call.simple_format(), call.one("archive") or "", call.one("which") or ""
    files.outside(path, roots.choose(call.config).path, "-o")
    with session.surveyed(call, session.policy(call)) as (found, store):
        belongings = of(store, _container(store, asked, roots.spellings(call.config)))
        if found.host.state != "stopped":
            call.edge.terminal.note("the engine may be at work: what is written meanwhile may be half in the tar")
        with files.streamed(path, "-o") as stream:
            told = write(store.reader, belongings, stream)
    if form == "json":
        call.edge.terminal.data(document.pretty(told))
    else:
        call.edge.terminal.lines(_lines(told, path))
    return INCOMPLETE if told.lacks else 0


def _container(store: Store, asked: str, spellings: tuple[str, ...]) -> str:
    """The full id of the container that `asked` means; a mount record whose folder is gone stands for its container."""
    known = Known(store)
    found = list(dict.fromkeys(each.id for each in lookup.candidates(known, asked, spellings) if each.kind in _KINDS))
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{printable(asked)} may mean {len(found)} containers: {', '.join(found[: lookup.MOST])}")
    thing = lookup.one(known, asked, spellings)
    raise UsageError(f"{printable(asked)} is no container, but a {thing.kind}: {printable(thing.id)}")


def _lines(told: Exported, path: str) -> Iterator[Line]:
    what = f"what the container {escape(told.name) or brief(told.container)} changed" if told.difference else "the whole tree"
    yield line(f"{path}: {what}: {many(told.entries, 'entry')}, {many(told.deletions, 'deletion')}, {size(told.bytes)}.", "head")
    yield from fields("layer", [f"{LAYER}/ in the tar, from {told.layer}; deletions are spelled .wh.NAME, as in image layers"])
    yield from fields("config", [f"{PAPERS}/{name} in the tar, from {source}" for name, source in sorted(told.sources.items())])
    if told.difference:
        yield from fields("stands on", [f"the image {told.image}" if told.image else "an image that nothing tells any more"])
    yield from fields("note", told.notes)
    yield from fields("lacks", told.lacks, style="warning")
