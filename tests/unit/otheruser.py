"""Does something as another user would, in this process: a forked child that gives up its rights may wait for ever beside threads."""

import codecs
import os
from collections.abc import Callable
from typing import Any

NOBODY = 65534
codecs.lookup("latin-1")  # the interpreter may lie where other users cannot load from


def as_nobody(work: Callable[[], Any]) -> Any:
    """What `work` returns when another user does it, or the words of what it raises. Only root can ask for it."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - whatever it is, the test shall see it
        return repr(error)
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
