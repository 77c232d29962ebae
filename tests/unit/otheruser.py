"""Does something as another user would, in this process: a forked child that gives up its rights may wait for ever beside threads."""

import os
from collections.abc import Callable
from typing import Any

NOBODY = 65534


def as_nobody(work: Callable[[], Any]) -> Any:
    """What `work` returns when another user does it, or the words of what it raises. Only root can ask for it."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        return work()
    except Exception as error:
        return repr(error)
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
