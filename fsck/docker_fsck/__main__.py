"""`python -m docker_fsck`: the same as the command docker-fsck, nothing of its own."""

import sys

from docker_fsck.cli import run

sys.exit(run())
