"""The only real deletion: removes finished transactions from the quarantine, and nothing outside it (promise 4)."""

import os
import stat
from collections.abc import Iterable
from contextlib import closing, suppress

import msgspec

from docker_fsck.apply import journal
from docker_fsck.apply.history import HISTORY_STATES
