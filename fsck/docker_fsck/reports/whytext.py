"""What a person reads about `why`: the state in a sentence, two trees, what is wrong, what a plan does; prints nothing."""

from collections.abc import Iterator

from docker_fsck.reasons.told import Link, Taken, Why
from docker_fsck.reports.lines import BLANK, Block, Branch, Line, field, fields, line, wrapped
from docker_fsck.reports.words import brief, escape, listing, many, size

MOST_NAMES = 6
STYLE = {"kept": "good", "dead": "info", "unknown": "warning", "missing": "error", "unused": "info", "other": "label"}
NOUNS = {"driverdir": "folder", "mount": "mount record", "quarantine": "the quarantine"}
BARE = frozenset({"tag", "file", "use"})
SAYS = {
    "kept": "kept",
    "dead": "dead: every source of references was read, and none leads here from a root",
    "unknown": "unknown: nothing that was read leads here from a root, but not everything could be read",
    "missing": "missing: it is named, and it is not there",
    "unused": "unused",
    "other": "no object of the store: nothing names it by itself",
}


def blocks(why: Why) -> Iterator[Block]:
    """The whole answer."""
    yield _title(why)
    yield from _facts(why)
    yield BLANK
    if why.kept_by:
        yield Branch((("head", _kept_title(why)),), tuple(_branch(each) for each in why.kept_by))
        yield BLANK
    if why.made_of:
        yield Branch((("head", "Made of"),), tuple(_branch(each) for each in why.made_of))
        yield BLANK
    yield from _suffers(why)
    yield from _sources(why)
    yield from _causes(why)
    yield from _plan(why)


def _title(why: Why) -> Line:
    name = "" if why.id.removeprefix("sha256:").startswith(why.name.removesuffix("-init")) else f"  {escape(why.name)}"
    return (("head", f"{NOUNS.get(why.kind, why.kind)} {escape(why.id)}"), ("", name))


def _facts(why: Why) -> Iterator[Line]:
    hidden = "" if why.shown or why.state == "missing" else "; the engine does not show it"
    yield from field("state", SAYS[why.state] + hidden, style=STYLE[why.state] if why.shown else "warning")
    yield from field("note", why.note)
    yield from fields("because", [each.message for each in why.causes] if hidden else ())
    yield from field("where", why.path)
    yield from field("takes", _takes(why.bytes, why.size))
    yield from field("looks like", why.looks)
    if why.state in {"dead", "unknown", "unused", "other"}:
        since = ", ".join(f"{word} {moment}" for word, moment in (("ctime", why.changed), ("mtime", why.modified)) if moment)
        yield from field("since", since and f"the newest times in it: {since}")


def _takes(weight: int | None, recorded: int | None) -> str:
    told = [f"{size(weight)} on the disk"] if weight is not None else []
    told += [f"{size(recorded)} by the layer records"] if recorded is not None else []
    return ", ".join(told)


def _kept_title(why: Why) -> str:
    return {"kept": "Kept by", "missing": "Named by"}.get(why.state, "Named only by")


def _branch(link: Link) -> Branch:
    """A link with what is below it."""
    below = [_branch(each) for each in link.links]
    if link.left_out:
        below.append(Branch(line(f"... and {many(link.left_out, 'more')[:-1] if link.left_out > 1 else '1 more'}", "label"), ()))
    return Branch(_label(link), tuple(below))


def _label(link: Link) -> Line:
    noun = NOUNS.get(link.kind, link.kind)
    noun = "" if link.kind in BARE or link.how == noun else noun
    spans = [("label", link.how), ("", f" {noun}" if noun else "")]
    spans += [("head", f" {each}") for each in (_name(link),) if each]
    if link.facts:
        spans.append(("label", f"  diff-id {brief(link.facts['diff-id'])}, chain-id {brief(link.id)}"))
    told = size(link.bytes) if link.bytes is not None else size(link.size) if link.size is not None else ""
    spans += [("", f"  {told}")] if told else []
    spans += [(STYLE[link.state], f"  [{link.state}]")] if link.state not in {"kept", "other"} else []
    spans += [("", f"  ({escape(link.note)})")] if link.note else []
    spans += [("label", "  (see above)")] if link.again else []
    return tuple(spans)


def _name(link: Link) -> str:
    """What a person can copy: the path of a folder, a name with the short id, else what the thing is called."""
    match link.kind:
        case "driverdir":
            return escape(link.path)
        case "image" | "container" if link.name != brief(link.id):
            return f"{escape(link.name)} ({brief(link.id)})"
        case "layer" | "mount":
            return brief(link.id)
        case "quarantine":
            return ""
        case _:
            return escape(link.name) if link.name == link.id else f"{brief(link.id)} ({escape(link.name)})"


def _suffers(why: Why) -> Iterator[Line]:
    groups = (("image", why.images), ("container", why.containers), ("volume", why.volumes))
    own = {"image", "container"} & {why.kind}
    told = [f"{many(len(names), kind)}: {listing(names, MOST_NAMES)}" for kind, names in groups if names and kind not in own]
    if told:
        yield from field("needed by", "; ".join(told))
        yield BLANK


def _sources(why: Why) -> Iterator[Line]:
    """For what nothing keeps: where references were looked for (field-cases FC-01)."""
    if why.state not in {"dead", "unknown"}:
        return
    read = [each.source for each in why.sources if each.state == "read"]
    absent = [each.source for each in why.sources if each.state == "absent"]
    rest = [f"{each.source}: {each.state}{f' ({each.why})' if each.why else ''}" for each in why.sources]
    yield line("References were looked for in", "head")
    yield from fields("read", read)
    yield from fields("not there", absent)
    yield from fields(
        "not read", [text for text, each in zip(rest, why.sources, strict=True) if each.state not in {"read", "absent"}]
    )
    yield from fields("so unknown", why.doubts, style="warning")
    yield from field("also", "the mounts and open files of every process; the images that lie in the quarantine")
    yield BLANK


def _causes(why: Why) -> Iterator[Line]:
    if not why.causes:
        return
    yield line("Findings", "head")
    for cause in why.causes:
        yield ((cause.severity, f"  {cause.severity.upper():<7} "), ("head", cause.rule))
        yield from wrapped(cause.message, indent=4)
        yield from fields("blocked", cause.blocked, indent=4, style="warning")
    yield BLANK


def _plan(why: Why) -> Iterator[Line]:
    if why.plan:
        yield line("A plan of this moment", "head")
        for action in why.plan:
            yield from field(f"  {action.id}", f"({action.cls}) {action.does}{_frees(action)}", indent=2)
        yield from wrapped("Nothing has been changed.", indent=2)
    elif why.state in {"dead", "unknown"}:
        yield from wrapped("No plan of this moment takes it.")
    elif why.state == "kept" and not why.causes:
        yield from wrapped("No finding concerns it, and no plan takes it.")


def _frees(action: Taken) -> str:
    return f"; {size(action.bytes)} to be freed by a later purge" if action.bytes else ""
