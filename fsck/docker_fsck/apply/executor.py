"""Does the steps of a plan, journalled, in batches; it decides nothing but what a precondition forbids (promises 4-8, 13)."""

import errno
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import Any

from docker_fsck import __version__
from docker_fsck.apply import journal
from docker_fsck.apply.batches import LOCKED, batches, folders, ordered
from docker_fsck.apply.guards import Guards
from docker_fsck.apply.history import blocking
from docker_fsck.apply.journal import Begun, Done, Ended, Journal, Made, Noted, Opened, Planned, Was
from docker_fsck.apply.observe import folder_times, observe, weigh
from docker_fsck.apply.shelves import Shelves, mounted_homes
from docker_fsck.apply.site import Applied, Event, Ground, Held, Site, Skip, What, alone, engine
from docker_fsck.apply.spares import give_back, lacking, needs, prepare, reserve_journal, set_aside, start
from docker_fsck.apply.story import Story
from docker_fsck.apply.tree import Tree, words
from docker_fsck.apply.writer import Writer
from docker_fsck.errors import FsckError, Refused
from docker_fsck.reader import QUARANTINE
from docker_fsck.steps import Unpack
from docker_fsck.values import Action, Guard, MakeDir, Plan, PutAway, Relink, SetMeta, Step, WriteFile, printable, spell

DO: dict[type, Callable[[Writer, Any, Was], int]] = {
    PutAway: Writer.put_away,
    WriteFile: Writer.write,
    Relink: Writer.relink,
    MakeDir: Writer.make_dir,
    SetMeta: Writer.set_meta,
    Unpack: Writer.unpack,
}
UNDO: dict[type, Callable[[Writer, Any, Was], None]] = {
    PutAway: Writer.unput,
    WriteFile: Writer.unwrite,
    Relink: Writer.unwrite,
    MakeDir: Writer.unwrite,
    SetMeta: Writer.unset,
    Unpack: Writer.unstage,
}
_NAMED = 5


def execute(plan: Plan, site: Site, *, txn: str, now: datetime) -> Applied:
    """Apply `plan` as the transaction `txn`.

    Raises `Refused`, with nothing changed, if the root is in use, another transaction is unfinished, the plan is stale, or
    the journal cannot be made. A step whose precondition fails, or that the kernel refuses, is skipped with the rest of
    its action.
    """
    steps = ordered(plan.actions)
    if not steps:
        return Applied(txn=txn, done=())
    with closing(Tree(site.root)) as tree:
        if why := engine(site):
            raise Refused(why)
        _prepared(tree, site, plan, txn)
        with alone(site) as ground:
            if killed := blocking(tree, site.journal_dir):
                raise Refused(f"transaction {killed} is unfinished: docker-fsck recover comes first")
            guards = Guards(tree, tree.dev)
            compare(guards, (guard for action in plan.actions for guard in action.pre))
            site.watch(Event(what="checked", txn=txn))
            planned = Planned(actions=plan.actions, touched=folder_times(tree, folders(steps)))
            opened = _opened(plan, tree, Shelves(txn, mounted_homes(tree, steps)), now)
            writer, book = _begun(tree, site, opened, planned)
            with closing(writer), closing(book):
                done = Pass(site, ground, writer, book, guards, Story(opened=opened, planned=planned)).run(steps)
            set_aside(tree)
            return done


class Pass:
    """One pass over steps of a transaction; what a killed run left half done is known from the story."""

    def __init__(
        self, site: Site, ground: Ground, writer: Writer, book: Journal, guards: Guards, story: Story
    ) -> None:  # fmt: skip
        """Start where the story ends."""
        self._site, self._lock, self._held = site, ground.lock, Held(ground.held)
        self._writer, self._book, self._guards, self._story = writer, book, guards, story
        self._known = {n: story.was[n] for n in story.half}
        self._tree, self._txn = writer.tree, story.opened.txn
        self._shelves = story.shelves
        self._planned = story.planned or Planned(actions=(), touched=())
        self._action = {step.n: action for action in self._planned.actions for step in action.steps}
        self._entered = {self._action[n].id for n in story.made}
        self._lost = {self._action[n].id: (skip.path, skip.why) for n, skip in story.skipped.items()}
        self._unlocks = any(step.raw in LOCKED for action in self._planned.actions for step in action.steps)
        self._mounts: dict[str, str] = {}
        self._stop = ""

    def run(self, steps: list[Step]) -> Applied:
        """Do `steps`, close the transaction, and give the sum over all its passes."""
        for step in steps:
            if why := self.forbidden(step.raw):
                self._lost.setdefault(self._action[step.n].id, (step.path, why))
        rank = steps[0].rank if steps else 0
        for batch in batches(steps):
            self._stop = self._stop or self._stopped()
            if self._stop:
                break
            if batch[0].rank != rank:
                self._sync()
            rank = batch[0].rank
            self._batch(batch)
        self._sync()
        return self._close(steps)

    def guards(self, step: Step) -> Iterable[Guard]:
        """What must hold before `step`: all of its action's guards before the first, then those of its own path."""
        action = self._action[step.n]
        if step.n in self._known:
            return ()
        return [guard for guard in action.pre if action.id not in self._entered or guard.raw == step.raw]

    def forbidden(self, path: str) -> str:
        """Why no step may touch `path`, whatever its guards say; nothing if it may."""
        folder = path.rpartition("/")[0]
        if folder not in self._mounts:
            try:
                mount = self._tree.mount_above(folder, self._shelves.home(path))
                self._mounts[folder] = f"it lies on the mount {mount}, and nothing is copied" if mount else ""
            except FileNotFoundError:  # an earlier step makes it
                self._mounts[folder] = ""
            except OSError as error:
                self._mounts[folder] = words(error)
        return self._mounts[folder] or self._held.why_not(path)

    def _stopped(self) -> str:
        if self._site.interrupted():
            return "interrupted"
        return "" if self._lock.guarded and not self._unlocks else engine(self._site)

    def _batch(self, batch: list[Step]) -> None:
        was: dict[int, Was] = {}
        for step in batch:
            try:
                was[step.n] = self._known.get(step.n) or observe(self._tree, step)
            except OSError as error:
                self._lost.setdefault(self._action[step.n].id, (step.path, words(error)))
                was[step.n] = Was(n=step.n)
        self._story.batch += 1
        self._write(Begun(batch=self._story.batch, was=tuple(was.values())))
        for step in batch:
            if self._site.interrupted() and step.n not in self._known:
                self._stop = "interrupted"
                break
            self._step(step, was[step.n])
        numbers = [step.n for step in batch]
        self._write(Done(
            batch=self._story.batch,
            done=tuple(Made(n, self._story.made[n]) for n in numbers if n in self._story.made),
            skipped=tuple(self._story.skipped[n] for n in numbers if n in self._story.skipped),
        ))  # fmt: skip

    def _step(self, step: Step, was: Was) -> None:
        self._tell("starts", step)
        if why := self._why_not(step):
            self._skip(step, why)
            return
        self._entered.add(self._action[step.n].id)
        try:
            made = DO[type(step)](self._writer, step, was)
        except OSError as error:
            self._take_back(step, was)
            self._skip(step, words(error))
            return
        self._story.made[step.n] = made
        self._guards.changed(step, self._shelves.kept(step))
        self._tell("done", step)

    def _why_not(self, step: Step) -> str:
        action = self._action[step.n]
        if action.id in self._lost:
            path, why = self._lost[action.id]
            return why if path == step.path else f"not without the rest of its action: {path}: {why}"
        for guard in self.guards(step):
            if why := self._guards.why_not(guard):
                return why if guard.raw == step.raw else f"{guard.path}: {why}"
        return ""

    def _skip(self, step: Step, why: str) -> None:
        path, coded = spell(step.raw)
        self._story.skipped[step.n] = Skip(n=step.n, path=path, path_b64=coded, why=why)
        self._lost.setdefault(self._action[step.n].id, (path, why))
        self._tell("skipped", step, why)

    def _take_back(self, step: Step, was: Was) -> None:
        """Bring what is left of a failed step in order again."""
        try:
            UNDO[type(step)](self._writer, step, was)
        except OSError as error:
            why = f"{step.path}: {words(error)}"
            raise FsckError(f"transaction {self._txn} stopped at {why}; docker-fsck recover takes it back") from error

    def _write(self, *records: journal.Record) -> None:
        try:
            self._book.append(*records)
        except OSError as error:
            raise FsckError(f"the journal of {self._txn} cannot be written: {words(error)}; docker-fsck recover") from error

    def _sync(self) -> None:
        try:
            self._writer.sync()
        except OSError as error:
            raise FsckError(f"transaction {self._txn} is not on the disk: {words(error)}; docker-fsck recover") from error
        self._tell("synced")

    def _close(self, steps: list[Step]) -> Applied:
        made, skipped = self._story.made, self._story.skipped
        size = weigh(self._tree, self._shelves, self._planned.actions, made)
        left = folder_times(self._tree, {each.raw for each in self._planned.touched})
        state = "interrupted" if self._stop else "applied"
        self._write(Noted(times=left), Ended(state=state, done=len(made), skipped=len(skipped), bytes=size))
        self._book.trim(journal.spare(self._planned))
        self._tell("ended", why=self._stop)
        rest = [step for step in steps if step.n not in made and step.n not in skipped]
        late = [Skip(n=step.n, path=step.path, path_b64=step.path_b64, why=self._stop) for step in rest]
        return Applied(
            txn=self._txn, done=tuple(sorted(made)), skipped=tuple(sorted([*skipped.values(), *late], key=lambda skip: skip.n)),
            interrupted=self._stop == "interrupted", bytes_quarantined=size, quarantine=f"{QUARANTINE}/{self._txn}",
        )  # fmt: skip

    def _tell(self, what: What, step: Step | None = None, why: str = "") -> None:
        if step is None:
            self._site.watch(Event(what=what, txn=self._txn, why=why))
        else:
            self._site.watch(Event(what=what, txn=self._txn, n=step.n, op=operation(step), path=step.path, why=why))


def operation(step: Step) -> str:
    """The name of a step's operation, as plans spell it."""
    return str(type(step).__struct_config__.tag)


def compare(guards: Guards, wanted: Iterable[Guard]) -> None:
    """All guards, before the first step."""
    stale = [f"{guard.path} ({why})" for guard in wanted if (why := guards.why_not(guard))]
    if stale:
        more = f" and {len(stale) - _NAMED} more" if len(stale) > _NAMED else ""
        raise Refused(f"stale plan: {', '.join(stale[:_NAMED])}{more}")


def _prepared(tree: Tree, site: Site, plan: Plan, txn: str) -> None:
    try:
        prepare(tree)
    except OSError as error:
        short = _room(error, tree, site, Shelves(txn), 1, plan.actions)
        raise Refused(f"{QUARANTINE} cannot be made: {words(error)}{short}") from error


def _room(error: OSError, tree: Tree, site: Site, shelves: Shelves, size: int, actions: Iterable[Action]) -> str:
    """What would be needed, where it is room that lacks."""
    inside = 0 if site.journal_dir else size
    return f": {needs(tree, shelves, inside, _writes(actions))}" if error.errno in journal.FULL else ""


def _writes(actions: Iterable[Action]) -> int:
    """How many new files, links and folders these actions make."""
    return sum(not isinstance(step, PutAway | SetMeta) for action in actions for step in action.steps)


def _opened(plan: Plan, tree: Tree, shelves: Shelves, now: datetime) -> Opened:
    return Opened(
        txn=shelves.txn, homes=shelves.homes, root=printable(tree.root), tool=__version__, digest=plan.digest, dev=tree.dev,
        made=now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), steps=sum(len(action.steps) for action in plan.actions),
        classes=tuple(sorted({action.cls.value for action in plan.actions})),
    )  # fmt: skip


def _begun(tree: Tree, site: Site, opened: Opened, planned: Planned) -> tuple[Writer, Journal]:
    """The folders and the journal of a new transaction; its first records are on the disk."""
    shelves, size = Shelves(opened.txn, opened.homes), journal.room(planned, opened)
    if size > journal.LONGEST:
        raise Refused("the plan is too large for one transaction: narrow it with --class or --target-free")
    if short := lacking(tree, shelves, 0 if site.journal_dir else size, _writes(planned.actions)):
        full = words(OSError(errno.ENOSPC, ""))
        raise Refused(f"no journal can be made in {QUARANTINE}: {full}: {short}; --journal-dir puts it on another disk")
    with ExitStack() as opening:
        try:
            if site.journal_dir is None:
                reserve_journal(tree, size)
            start(tree, shelves)
            writer = opening.enter_context(closing(Writer(tree, shelves)))
            fd = writer.new_journal(opened.txn, site.journal_dir, size)
            book = opening.enter_context(closing(Journal(fd)))
            book.append(opened, planned)
        except OSError as error:
            where = site.journal_dir or QUARANTINE
            if site.journal_dir:
                give_back(tree, opened.txn)
            why = f"{words(error)}{_room(error, tree, site, shelves, size, planned.actions)}"
            raise Refused(f"no journal can be made in {where}: {why}; --journal-dir puts it on another disk") from error
        opening.pop_all()
    return writer, book
