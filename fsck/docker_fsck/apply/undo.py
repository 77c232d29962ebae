"""Takes a transaction back as a whole, or does the rest of one that was killed; nothing of it is deleted."""

from contextlib import closing

from msgspec import structs

from docker_fsck.apply.batches import ordered
from docker_fsck.apply.executor import UNDO, Pass, compare, operation
from docker_fsck.apply.guards import Guards
from docker_fsck.apply.history import choose, load, pending
from docker_fsck.apply.journal import Made, Noted, Resumed, Times, UndoBegun, UndoEnded
from docker_fsck.apply.observe import folder_times
from docker_fsck.apply.rewind import examine, here, sequence
from docker_fsck.apply.site import Applied, Event, Ground, Held, Site, Undone, alone, engine
from docker_fsck.apply.story import Story, reopen
from docker_fsck.apply.tree import Tree, words
from docker_fsck.apply.writer import Writer
from docker_fsck.errors import FsckError, Refused
from docker_fsck.values import PutAway, SetMeta, Step


def undo(site: Site, txn: str) -> Undone:
    """Take the finished transaction `txn` back, or the newest for `last`.

    Raises `UsageError` if there is no such transaction, `Refused`, with nothing changed, if the root is in use, a place is
    occupied or was changed since, or another transaction is unfinished.
    """
    with closing(Tree(site.root)) as tree:
        choose(tree, site.journal_dir, txn)
        with alone(site) as ground:
            return _take_back(site, tree, choose(tree, site.journal_dir, txn), ground)


def recover(site: Site) -> Undone | None:
    """Take the killed transaction back, or the newest if it was interrupted; None if there is none. Raises as `undo` does."""
    with closing(Tree(site.root)) as tree:
        if pending(tree, site.journal_dir) is None:
            return None
        with alone(site) as ground:
            record = pending(tree, site.journal_dir)
            return None if record is None else _take_back(site, tree, record.txn, ground)


def finish(site: Site) -> Applied | None:
    """Do the rest of the transaction that was killed, or of the newest if it was interrupted; None if there is none.

    Raises `Refused`, with nothing changed, if a remaining precondition does not hold any more.
    """
    with closing(Tree(site.root)) as tree:
        if pending(tree, site.journal_dir) is None:
            return None
        with alone(site) as ground:
            record = pending(tree, site.journal_dir)
            if record is None:
                return None
            if record.state == "undoing":
                raise Refused(f"transaction {record.txn} was being taken back: docker-fsck recover goes on with that")
            return _go_on(site, tree, load(tree, record.txn, site.journal_dir), ground)


def _go_on(site: Site, tree: Tree, story: Story, ground: Ground) -> Applied:
    txn = story.opened.txn
    states = examine(tree, txn, story)
    resumed = Resumed(
        made=tuple(Made(n, story.made.get(n) or _inode(tree, story, n)) for n, state in states.items() if state == "done"),
        half=tuple(n for n, state in states.items() if state == "half"),
    )
    story.hear(resumed)
    steps = ordered(story.planned.actions if story.planned else ())
    guards = Guards(tree, story.opened.dev)
    for step in steps:
        if step.n in story.was:
            guards.changed(step, story.shelves.kept(step))
    with closing(Writer(tree, story.shelves)) as writer, closing(reopen(tree, story, site.journal_dir)) as book:
        rest = Pass(site, ground, writer, book, guards, story)
        left = [step for step in steps if step.n not in story.made and step.n not in story.skipped]
        compare(guards, (guard for step in left for guard in rest.guards(step)))
        if why := next((f"{step.path}: {why}" for step in left if (why := rest.forbidden(step.raw))), ""):
            raise Refused(f"transaction {txn} cannot be finished: {why}")
        book.append(resumed)
        return rest.run(left)


def _inode(tree: Tree, story: Story, n: int) -> int:
    """What a step that the journal does not know as done has made: the inode that it moved, or that of the new thing."""
    step = story.steps[n]
    if isinstance(step, PutAway | SetMeta):
        return story.was[n].ino
    found = tree.lstat(step.raw)
    return found.st_ino if found else 0


def _take_back(site: Site, tree: Tree, txn: str, ground: Ground) -> Undone:
    story = load(tree, txn, site.journal_dir)
    states = examine(tree, txn, story)
    steps = [step for step in reversed(sequence(story)) if states[step.n] != "before"]
    watched = Held(ground.held)
    for step in steps:
        if why := watched.why_not(step.raw):
            raise Refused(f"transaction {txn} cannot be taken back: {step.path}: {why}")
    with closing(Writer(tree, story.shelves)) as writer, closing(reopen(tree, story, site.journal_dir)) as book:
        times = story.times if story.undoing else _times(tree, story)
        try:
            if not story.undoing:
                book.append(Noted(times=times), UndoBegun())
        except OSError as error:
            raise Refused(f"the journal of transaction {txn} cannot be written: {words(error)}") from error
        try:
            _reverse(site, writer, story, steps, ground)
            writer.restore_times(times)
            writer.sync()
            book.append(UndoEnded())
        except OSError as error:
            raise FsckError(f"the way back of {txn} stopped: {words(error)}; docker-fsck recover goes on with it") from error
    site.watch(Event(what="ended", txn=txn))
    return Undone(txn=txn, steps=tuple(step.n for step in steps), paths=tuple(step.path for step in steps))


def _reverse(site: Site, writer: Writer, story: Story, steps: list[Step], ground: Ground) -> None:
    """Take the steps back; the folders go to the disk where a rank ends, as on the way there.

    Where the lock keeps no engine out, an engine that came meanwhile stops the way back between two ranks (promise 14).
    """
    txn, rank = story.opened.txn, steps[0].rank if steps else 0
    for step in steps:
        if step.rank != rank:
            writer.sync()
            if not ground.lock.guarded and (why := engine(site)):
                raise FsckError(f"the way back of {txn} stopped: {why}; docker-fsck recover goes on with it")
        rank = step.rank
        event = Event(what="undoing", txn=txn, n=step.n, op=operation(step), path=step.path)
        site.watch(event)
        UNDO[type(step)](writer, step, here(writer.tree, story.shelves, step, story.was[step.n]))
        site.watch(structs.replace(event, what="undone"))


def _times(tree: Tree, story: Story) -> tuple[Times, ...]:
    """The times to give back: those of folders that nobody has changed since the transaction ended."""
    before = story.planned.touched if story.planned else ()
    if story.ended is None:
        return before
    left = {each.raw: each.mtime_ns for each in story.left}
    now = {each.raw: each.mtime_ns for each in folder_times(tree, {each.raw for each in before})}
    return tuple(each for each in before if now.get(each.raw) == left.get(each.raw))
