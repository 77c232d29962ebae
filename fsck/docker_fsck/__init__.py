"""docker-fsck: checks, explains and repairs a Docker data root, offline and with undo; this file holds only the version."""

__version__ = "0.1.0"
