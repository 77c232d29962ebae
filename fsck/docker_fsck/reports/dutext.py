"""What a person reads about space: what takes how much, what can be had back, which command is next; pure."""

from collections.abc import Iterator, Sequence

from docker_fsck.reports.lines import BLANK, Line, line, wrapped
from docker_fsck.reports.view import View
from docker_fsck.reports.words import brief, escape, listing, many, size
from docker_fsck.space.values import ContainerSum, Du, ImageSum, Kind, KindSum

MOST_ROWS = 25
MOST_OWNERS = 10
MOST_PATHS = 10
MOST_WHY = 3
MEANING = {
    Kind.SHARED: "layers of several images",
    Kind.IMAGES: "layers of one image each",
    Kind.CONTAINERS: "writable layers and folders of containers, layers that no image has any more",
    Kind.VOLUMES: "volumes",
    Kind.LOGS: "logs of containers",
    Kind.BUILD_CACHE: "build cache (docker builder prune)",
    Kind.PLUGINS: "managed plugins",
    Kind.CONTAINERD: "containerd's store",
    Kind.INACTIVE: "stores of drivers that are not in use any more; not garbage",
    Kind.NESTED: "a root in the root (check it with --root)",
    Kind.METADATA: "records, databases, networks",
    Kind.OTHER: "not known to be the engine's",
    Kind.TEMP: "temporary files (an engine empties tmp when it starts)",
    Kind.GARBAGE: "nothing refers to it any more",
    Kind.QUARANTINE: "put away by docker-fsck",
}


def total(found: Du) -> Line:
    """All in one line."""
    return (
        ("head", escape(found.root)),
        ("", f": {size(found.total)} ({found.total} bytes) in {many(found.inodes, 'file')} and folders"),
    )


def shortest(found: Du, view: View) -> Iterator[Line]:
    """The total, and what is not in it."""
    yield total(found)
    yield from _gaps(found, view)


def by_kind(found: Du, view: View) -> Iterator[Line]:
    """What the space is for."""
    yield total(found)
    yield BLANK
    yield from _table(("", "size", "", "bytes", "what"), [_kind(row, found.total) for row in found.kinds], view)
    yield _sum("all kinds", found.total)
    yield BLANK
    owners = found.owners if view.verbose else found.owners[:MOST_OWNERS]
    yield line("The largest:" if len(owners) < len(found.owners) else "By owner:", "head")
    names = {each.id: listing(each.names, 1) for each in found.images} | {each.id: brief(each.name) for each in found.containers}
    rows = [
        (
            each.kind.value,
            size(each.bytes),
            str(each.bytes),
            f"{escape(each.path) or 'files at the top'}  {names.get(each.id, '')}",
        )
        for each in owners
    ]
    yield from _table(("kind", "size", "bytes", "where, and whose"), rows, view)
    yield from _more(len(found.owners) - len(owners))
    yield BLANK
    yield from _frees(found, view)
    yield from _next(view, "image", "container")
    yield from _gaps(found, view)


def by_image(found: Du, view: View) -> Iterator[Line]:
    """What each image takes."""
    yield total(found)
    yield BLANK
    shown = found.images if view.verbose else found.images[:MOST_ROWS]
    rows = [_image(each) for each in shown]
    yield from _table(("image", "total", "unique", "shared", "bytes", "driver"), rows, view)
    yield from _more(len(found.images) - len(shown))
    unique = sum(each.unique for each in found.images)
    if found.images:
        told = f"unique is freed by removing that image alone: {size(unique)} in all images. Shared layers are counted in each \
image that has them."
        yield BLANK
        yield from wrapped(told)
    yield from _next(view, "kind", "container")
    yield from _gaps(found, view)


def by_container(found: Du, view: View) -> Iterator[Line]:
    """What each container and each volume takes."""
    yield total(found)
    yield BLANK
    shown = found.containers if view.verbose else found.containers[:MOST_ROWS]
    rows = [_container(each) for each in shown]
    yield from _table(("container", "own", "writable", "logs", "folder", "layers", "bytes", "volumes"), rows, view)
    yield from _more(len(found.containers) - len(shown))
    yield BLANK
    volumes = found.volumes if view.verbose else found.volumes[:MOST_ROWS]
    rows = [
        (brief(each.name), size(each.bytes), str(each.bytes), listing(each.containers, 4) or "no container") for each in volumes
    ]
    yield from _table(("volume", "size", "bytes", "named by"), rows, view)
    yield from _more(len(found.volumes) - len(volumes))
    told = "own = writable + logs + folder: what docker rm frees. layers: kept by containers alone, no image has them any more."
    yield BLANK
    yield from wrapped(told)
    yield from _next(view, "kind", "image")
    yield from _gaps(found, view)


def _kind(row: KindSum, whole: int) -> tuple[str, ...]:
    share = f"{100 * row.bytes / whole:.0f} %" if whole else ""
    return row.kind.value, size(row.bytes), share, str(row.bytes), f"{row.owners:>5}  {MEANING[row.kind]}"


def _image(each: ImageSum) -> tuple[str, ...]:
    name = listing(each.names, 2)
    return (
        name,
        size(each.total),
        size(each.unique),
        size(each.shared),
        f"{each.total} = {each.unique} + {each.shared}",
        each.driver,
    )


def _container(each: ContainerSum) -> tuple[str, ...]:
    parts = (each.own, each.writable, each.logs, each.folder, each.layers)
    return brief(each.name), *map(size, parts), str(each.own), listing(each.volumes, 4)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], view: View) -> Iterator[Line]:
    """Aligned columns: the first and the last to the left, numbers to the right; exact bytes only where all is asked for."""
    keep = [at for at, head in enumerate(heads) if head != "bytes" or view.verbose]
    table = [[row[at] for at in keep] for row in (heads, *rows)]
    wide = [max(len(row[at]) for row in table) for at in range(len(keep))]
    for number, row in enumerate(table):
        cells = [row[0].ljust(wide[0]), *(cell.rjust(room) for cell, room in zip(row[1:-1], wide[1:-1], strict=True)), row[-1]]
        yield (("label" if number == 0 else "", "  " + "  ".join(cells)),)


def _sum(label: str, count: int) -> Line:
    return (("head", f"  = {size(count)}"), ("label", f"  {label} add up to it; so does du -x --block-size=1: {count}"))


def _more(left: int) -> Iterator[Line]:
    if left > 0:
        yield line(f"  ... and {left} more; -v prints them all", "label")


def _frees(found: Du, view: View) -> Iterator[Line]:
    """What can be had back and how."""
    frees = found.frees
    if not frees.plan and not frees.held and not frees.purge:
        yield line("Nothing to reclaim was found." if found.unjudged else "Nothing to reclaim: everything here is referred to.")
    if frees.plan:
        yield (
            ("", f"{size(frees.plan)} of garbage can be reclaimed: "),
            ("command", view.again("plan --class reclaim")),
            ("", " shows it;"),
        )
        yield line("  apply moves it into the quarantine, purge then frees it.")
    if frees.held:
        yield line(f"{size(frees.held)} of garbage stays for now:", "warning")
        for why in frees.why if view.verbose else frees.why[:MOST_WHY]:
            yield from wrapped(why, indent=2)
        if not frees.why:
            yield from wrapped("nothing refers to it that was seen; docker-fsck check says more", indent=2)
    if frees.purge:
        yield (
            ("", f"{size(frees.purge)} lie in the quarantine: "),
            ("command", escape(view.call("history"))),
            ("", " lists it, "),
            ("command", escape(view.call("purge"))),
            ("", " frees it."),
        )
    for each in found.unjudged:
        yield from wrapped(f"Not searched for garbage: {each}.", style="label")


def _next(view: View, *others: str) -> Iterator[Line]:
    told = f" (or {', '.join(others[1:])}); -v for exact bytes"
    yield (("", "More: "), ("command", escape(view.call(f"du --by {others[0]}"))), ("", told))


def _gaps(found: Du, view: View) -> Iterator[Line]:
    """What is not in the numbers, so that nobody trusts them too far."""
    if found.engine == "live":
        told = "An engine uses this root: the numbers were true one after the other, not all at once."
        yield from wrapped(told, style="warning")
    yield from _paths("Mounted here, not counted (du -x):", [each.path for each in found.mounts], view, "label")
    unread = [f"{each.path or 'the root'}: {each.why}" for each in found.unread]
    yield from _paths("Failed, so that not all garbage is known:", found.failed, view, "error")
    yield from _paths("Could not be read, so that the sum is too small:", unread, view, "error")


def _paths(head: str, every: Sequence[str], view: View, style: str) -> Iterator[Line]:
    shown = every if view.verbose else every[:MOST_PATHS]
    if shown:
        yield line(head, style)
    for each in shown:
        yield line(f"  {each}")
    yield from _more(len(every) - len(shown))
