"""Reads bbolt databases that are held in memory as bytes; opens no file, takes no lock, changes nothing.

The format is buildkit-and-containerd-store 1.2, in little endian. A database is verified as a whole before the first
key is handed out: what `open_bytes` returns can be read without errors, and a damaged source of references is never
half read. Time and memory are linear in the length of the bytes, whatever the numbers in them claim.
"""

from docker_fsck.bolt.database import Bucket, Database, check, open_bytes, txids
from docker_fsck.bolt.pages import (
    BRANCH,
    FIRST_PAGE,
    FREELIST,
    LEAF,
    MAGIC,
    META,
    NO_FREELIST,
    PAGE_SIZES,
    VERSION,
    BoltError,
    EmptyDatabase,
    NewerDatabase,
    checksum,
)
from docker_fsck.bolt.walk import MAX_DEPTH

__all__ = [
    "BRANCH", "FIRST_PAGE", "FREELIST", "LEAF", "MAGIC", "MAX_DEPTH", "META", "NO_FREELIST", "PAGE_SIZES", "VERSION",
    "BoltError", "Bucket", "Database", "EmptyDatabase", "NewerDatabase", "check", "checksum", "open_bytes", "txids",
]  # fmt: skip
