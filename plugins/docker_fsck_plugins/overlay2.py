"""The graph driver overlay2: how its home is read (classic-store 9.2). Its rules are in `overlay2_rules`."""

import base64
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import cast

from docker_fsck.api import DRIVER_ID, SHORT_LINK, Driver, Part, Reader, Row, Rule, Trouble, hookimpl, shown
from docker_fsck_plugins import overlay2_rules
from docker_fsck_plugins.parts import has_state, lacking, outside

FILES = ("link", "lower")


class OverlayHome:
    """What overlay2 (or a driver of the same shape) keeps: `<id>/{diff,link,lower,work,committed,merged}` and `l/`."""

    union = True

    def __init__(self, reader: Reader, name: str) -> None:
        """Read the home `name`."""
        self.name = name
        self._names: dict[str, str | None] = {}
        rows = reader.table(name, FILES)
        links = reader.links(f"{name}/l")
        self.partial = tuple(each for each in (rows, links) if isinstance(each, Trouble) and each.state != "absent")
        self.links: dict[str, str | Trouble] = {} if isinstance(links, Trouble) else links
        self.linkless = links if isinstance(links, Trouble) else None
        self.rows: dict[str, Row | Trouble] = {} if isinstance(rows, Trouble) else dict(rows)
        self.strange = {ident: row for ident, row in self.rows.items() if isinstance(row, Trouble) and ident != "l"}
        self.dirs = {ident: row for ident, row in self.rows.items() if isinstance(row, Row) and DRIVER_ID.fullmatch(ident)}
        self.partial += tuple(each for each in self.strange.values() if each.state == "unreadable")
        self.target = {short: text[3:-5] for short, text in self.links.items() if isinstance(text, str) and _plain(text)}
        self.merged = {ident: tuple(self._merged(reader, ident)) for ident, row in self.dirs.items() if "merged" in row.entries}

    def _merged(self, reader: Reader, ident: str) -> Iterable[str]:
        names = reader.names(f"{self.name}/{ident}/merged")
        return () if isinstance(names, Trouble) else names

    @cached_property
    def shorts(self) -> dict[str, list[str]]:
        """The names in `l/` by the driver id that they point to."""
        found: dict[str, list[str]] = {}
        for short, ident in self.target.items():
            found.setdefault(ident, []).append(short)
        return found

    @cached_property
    def linked(self) -> dict[str, list[str]]:
        """The driver ids by what their `link` says."""
        found: dict[str, list[str]] = {}
        for ident in self.dirs:
            link = self.link(ident)
            if isinstance(link, str):
                found.setdefault(link, []).append(ident)
        return found

    @cached_property
    def wanted(self) -> set[str]:
        """Short names that some `lower` holds."""
        texts = {text for text in self._lowers.values() if isinstance(text, str)}
        heads = {text.partition(":")[0] for text in texts}
        tails = {text.partition(":")[2] for text in texts} - texts
        return {each.removeprefix("l/") for each in heads.union(*(tail.split(":") for tail in tails))}

    @cached_property
    def gone(self) -> frozenset[str]:
        """Driver ids that some `lower` or short link leads to and that are known to have no content."""
        missing = {ident: self.missing(ident) for ident in {*self.target.values(), *self.dirs} - self._whole}
        return frozenset(ident for ident, part in missing.items() if part is not None and part.trouble.state != "unreadable")

    def ids(self) -> Collection[str]:
        """Every driver id with a folder."""
        return self.dirs.keys()

    def path(self, ident: str) -> str:
        """The folder of `ident`."""
        return f"{self.name}/{ident}"

    def content(self, ident: str) -> str:
        """The folder `diff`."""
        return f"{self.name}/{ident}/diff"

    @cached_property
    def _whole(self) -> frozenset[str]:
        return frozenset(ident for ident, row in self.dirs.items() if row.entries.get("diff") == "dir")

    def missing(self, ident: str) -> Part | None:
        """The whole folder or its `diff`."""
        if ident in self._whole:
            return None
        row, path = self.rows.get(ident), self.path(ident)
        if stray := outside(ident, path, ("l",)):
            return stray
        if row is None:
            return lacking("dir", path, None)
        if isinstance(row, Trouble):
            return Part("dir", path, row)
        kind = row.entries.get("diff")
        return None if kind == "dir" else lacking("diff", f"{path}/diff", kind)

    @cached_property
    def _links(self) -> dict[str, str | Trouble]:
        return {ident: self._text(ident, "link", lambda text: SHORT_LINK.fullmatch(text) is not None) for ident in self.dirs}

    @cached_property
    def _lowers(self) -> dict[str, str | Trouble | None]:
        """By driver id the text of `lower`; None where there is none and none is due (no `work` beside it)."""
        found: dict[str, str | Trouble | None] = {}
        for ident, row in self.dirs.items():
            due = "lower" in row.entries or "work" in row.entries
            found[ident] = self._text(ident, "lower", lambda text: text.isprintable() and bool(text)) if due else None
        return found

    @cached_property
    def _paths(self) -> dict[str, tuple[str | None, ...]]:
        """By text of a `lower` the driver ids that its elements lead to, None for one that leads nowhere.

        A child's text is one element before its parent's: read in order of length, each is one step on a known tail.
        """
        known: dict[str, tuple[str | None, ...]] = {"": (None,)}
        for text in sorted({text for text in self._lowers.values() if isinstance(text, str)}, key=len):
            head, colon, tail = text.partition(":")
            rest = known.get(tail) if colon else ()
            known[text] = (self.resolve(head), *(rest if rest is not None else map(self.resolve, tail.split(":"))))
        return known

    def _text(self, ident: str, name: str, good: Callable[[str], bool]) -> str | Trouble:
        data = self.dirs[ident].files.pop(name, None)  # each is asked for once: the text takes the place of the bytes
        if data is None:
            return Trouble(f"{self.path(ident)}/{name}", "absent", "no such file")
        if isinstance(data, Trouble):
            return data
        text = data.decode("utf-8", "backslashreplace")
        return text if good(text) else Trouble(f"{self.path(ident)}/{name}", "malformed", shown(data))

    def link(self, ident: str) -> str | Trouble:
        """The short name that `link` gives."""
        return self._links.get(ident) or Trouble(f"{self.path(ident)}/link", "absent", "no such file")

    def lower(self, ident: str) -> str | Trouble | None:
        """The text of `lower`, None where there is none and none is due (no `work` beside it)."""
        return self._lowers.get(ident)

    def elements(self, ident: str) -> list[str]:
        """The elements of `lower`, as they stand there."""
        lower = self._lowers.get(ident)
        return lower.split(":") if isinstance(lower, str) else []

    def resolve(self, element: str) -> str | None:
        """The driver id that an element of a `lower` leads to, whether its folder is there or not."""
        return self.target.get(element[2:]) if element.startswith("l/") else None

    @cached_property
    def _resolved(self) -> dict[str, tuple[str | None, ...]]:
        return {ident: self._paths[text] for ident, text in self._lowers.items() if isinstance(text, str)}

    def resolved(self, ident: str) -> tuple[str | None, ...]:
        """What the elements of `lower` lead to, None for nowhere."""
        return self._resolved.get(ident, ())

    @cached_property
    def _broken(self) -> frozenset[str]:
        return frozenset(ident for ident, found in self._resolved.items() if None in found)

    @cached_property
    def _needs(self) -> dict[str, tuple[str, ...]]:
        known = cast("dict[str, tuple[str, ...]]", self._resolved)
        return {**known, **{ident: tuple(each for each in known[ident] if each) for ident in self._broken}}

    def needs(self, ident: str) -> tuple[str, ...]:
        """The driver ids of all elements that lead somewhere."""
        return self._needs.get(ident, ())

    def vague(self, ident: str) -> bool:
        """Whether an element leads nowhere, or the `lower` that is due cannot be read."""
        return ident in self._broken or isinstance(self._lowers.get(ident), Trouble)

    def aliases(self, ident: str) -> tuple[str, ...]:
        """The folder, the links in `l/` that point to it, and the one that its own `link` names."""
        own = self.link(ident)
        shorts = {*self.shorts.get(ident, ()), *((own,) if isinstance(own, str) else ())}
        return (self.path(ident), *(f"{self.name}/l/{short}" for short in sorted(shorts)))

    def holdings(self, ident: str) -> tuple[str, ...]:
        """The links in `l/` that point to it, then its folder."""
        links = tuple(f"{self.name}/l/{short}" for short in sorted(self.shorts.get(ident, ())))
        return (*links, self.path(ident)) if ident in self.dirs else links

    @cached_property
    def nameless(self) -> frozenset[str]:
        """Driver ids for which neither `link` nor `l/` gives a short name."""
        return frozenset(ident for ident in self.dirs if self.short(ident) is None)

    def short(self, ident: str) -> str | None:
        """The short name that `ident` has or should have: from `link`, else the link in `l/` that lowers use, else None."""
        link = self._links.get(ident)
        if isinstance(link, str) and self.target.get(link) == ident:
            return link
        if ident not in self._names:
            self._names[ident] = self._short(ident)
        return self._names[ident]

    def _short(self, ident: str) -> str | None:
        link, pointing = self.link(ident), self.shorts.get(ident, [])
        if isinstance(link, str) and (link in pointing or (link not in self.links and not pointing)):
            return link
        used = [short for short in pointing if short in self.wanted]
        choice = used or pointing
        if len(choice) == 1 or used:
            return min(choice)
        return link if isinstance(link, str) and self._alone(ident, link) else None

    def _alone(self, ident: str, link: str) -> bool:
        """Whether no other layer has the short name `link`, wherever the link in `l/` leads."""
        other = self.target.get(link)
        return self.linked[link] == [ident] and (other is None or other not in self.dirs or len(self.shorts[other]) > 1)

    def fresh(self, ident: str) -> str:
        """A new short name, the same for the same id, that nothing uses yet."""
        for salt in range(1 << 16):
            name = base64.b32encode(hashlib.sha256(f"{ident}{salt or ''}".encode()).digest())[:26].decode()
            if name not in self.links and name not in self.wanted:
                return name
        raise ValueError(f"no free short name for {ident}")

    def lower_of(self, parents: Iterable[str], told: Mapping[str, str]) -> str | None:
        """The `lower` over these driver ids, None while one has no content; `told`: names that only children know."""
        if any(self.missing(ident) is not None for ident in parents):
            return None
        return ":".join(f"l/{self.short(ident) or told.get(ident) or self.fresh(ident)}" for ident in parents)


def _plain(text: str) -> bool:
    return text.startswith("../") and text.endswith("/diff") and "/" not in text[3:-5] and text[3:-5] not in {"", ".", ".."}


class OverlayDriver:
    """The driver overlay2, or one that keeps the same files under another name."""

    def __init__(self, name: str) -> None:
        """`name`: of the driver and of its home."""
        self.name = name

    def detect(self, reader: Reader) -> bool:
        """Whether there is a home or an image tree."""
        return has_state(reader, self.name)

    def survey(self, reader: Reader) -> OverlayHome:
        """Read the home."""
        return OverlayHome(reader, self.name)


@hookimpl
def fsck_drivers() -> Iterator[Driver]:
    """The driver overlay2."""
    yield OverlayDriver("overlay2")


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The laws of overlay2."""
    return overlay2_rules.RULES
