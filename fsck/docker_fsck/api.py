"""The names that plugins may import, and nothing else."""

from docker_fsck import copies
from docker_fsck.beside import alone, living
from docker_fsck.bolt import BoltError, Bucket, Database, EmptyDatabase, open_bytes
from docker_fsck.boltread import Damaged, open_database, told
from docker_fsck.claims import is_remnant, led_to
from docker_fsck.facts import SUBVOLUME, Facts, Row, Weight
from docker_fsck.graph import on_cycle, reach
from docker_fsck.hookspecs import hookimpl
from docker_fsck.host import Recorded
from docker_fsck.ids import (
    BUILDKIT_ID,
    DRIVER_ID,
    HEX64,
    INIT_ID,
    MOUNT_ID,
    SHORT_LINK,
    USERNS_ROOT,
    chain_id,
    is_digest,
    reference_fault,
    short,
)
from docker_fsck.impact import sufferers
from docker_fsck.model import Model
from docker_fsck.protocols import Driver, Home, Node, Part, ProbedDriver, ProbedHome, References, ReferenceSource, Reporter
from docker_fsck.reader import Reader
from docker_fsck.records import (
    containerd,
    containers,
    distribution,
    gojson,
    imagedb,
    layerdb,
    mounts,
    networks,
    plugindirs,
    repositories,
    swarm,
    trees,
    volumes,
)
from docker_fsck.records.fields import shown
from docker_fsck.rules import Rule, rule
from docker_fsck.steps import Origin, Unpack
from docker_fsck.store import Store
from docker_fsck.upgrade import timeline
from docker_fsck.upgrade.choice import Choice, choose
from docker_fsck.upgrade.version import Version
from docker_fsck.values import (
    ActionClass,
    Blocked,
    Confidence,
    Fault,
    Level,
    MakeDir,
    Plan,
    PutAway,
    Ref,
    Relink,
    Remedy,
    Report,
    SetMeta,
    Severity,
    Source,
    Step,
    Trouble,
    WriteFile,
    spell,
)
from docker_fsck.verdicts import Damage, Task, Verdict

__all__ = [
    "BUILDKIT_ID",
    "DRIVER_ID",
    "HEX64",
    "INIT_ID",
    "MOUNT_ID",
    "SHORT_LINK",
    "SUBVOLUME",
    "USERNS_ROOT",
    "ActionClass",
    "Blocked",
    "BoltError",
    "Bucket",
    "Choice",
    "Confidence",
    "Damage",
    "Damaged",
    "Database",
    "Driver",
    "EmptyDatabase",
    "Facts",
    "Fault",
    "Home",
    "Level",
    "MakeDir",
    "Model",
    "Node",
    "Origin",
    "Part",
    "Plan",
    "ProbedDriver",
    "ProbedHome",
    "PutAway",
    "Reader",
    "Recorded",
    "Ref",
    "ReferenceSource",
    "References",
    "Relink",
    "Remedy",
    "Report",
    "Reporter",
    "Row",
    "Rule",
    "SetMeta",
    "Severity",
    "Source",
    "Step",
    "Store",
    "Task",
    "Trouble",
    "Unpack",
    "Verdict",
    "Version",
    "Weight",
    "WriteFile",
    "alone",
    "chain_id",
    "choose",
    "containerd",
    "containers",
    "copies",
    "distribution",
    "gojson",
    "hookimpl",
    "imagedb",
    "is_digest",
    "is_remnant",
    "layerdb",
    "led_to",
    "living",
    "mounts",
    "networks",
    "on_cycle",
    "open_bytes",
    "open_database",
    "plugindirs",
    "reach",
    "reference_fault",
    "repositories",
    "rule",
    "short",
    "shown",
    "spell",
    "sufferers",
    "swarm",
    "timeline",
    "told",
    "trees",
    "volumes",
]
