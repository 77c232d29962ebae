"""Rules on managed plugins and what their removal and upgrade leave (classic-store 11)."""

from collections.abc import Iterable, Iterator

from docker_fsck.api import ActionClass, Fault, Model, Ref, Remedy, Rule, Severity, hookimpl, plugindirs, rule, short
from docker_fsck_plugins import strangers
from docker_fsck_plugins.remedies import reclaim, refused, set_aside

UNPACKED = ".rootfs"
"""How the names of what is unpacked in `plugins/tmp` begin."""
BUILT_IN = frozenset({"bridge", "host", "null", "overlay", "macvlan", "ipvlan"})


@rule("plugin-config-damaged", Severity.ERROR, actions=(ActionClass.LOSSY,))
def config_damaged(model: Model) -> Iterator[Fault]:
    """The config.json of a plugin is missing or cannot be read.

    Why it matters: the engine does not know the plugin; engines before 17.07 do not start. Volumes and networks of it cannot
        be used.
    How it comes about: power loss, a full disk, a removal that was cut short.
    Repair: the folder is put away, unless it holds data of its own (`propagated-mount`) or a volume or network may be of it.
    Never: put away a folder whose data somebody may need.
    Daemon says: missing plugin config, skipping
    Seen in: FC-34
    """
    for _, plugin in sorted(model.store.plugins.plugins.items()):
        fault = plugin.fault
        if fault is None or refused(model, fault.path):
            continue
        remedies: tuple[Remedy, ...] = ()
        if plugindirs.DATA not in plugin.full and not _wanted(model) and fault.state in {"absent", "malformed"}:
            loses = (f"the plugin {short(plugin.id)}: install it again",)
            remedies = (set_aside(plugin.path, f"put the plugin {plugin.path} away", loses),)
        message = f"the plugin {short(plugin.id)} cannot be loaded: config.json: {fault.why}"
        said = "" if fault.state == "absent" else "error loading plugin, skipping"
        ref = Ref("plugin", plugin.id)
        yield Fault(ref, message, (fault.path,), "a JSON object", fault.why, remedies, (ref,), daemon_error=said)


def _wanted(model: Model) -> bool:
    """Whether a volume or network is of a driver that some plugin may be; what was not read, or lost, may be of one."""
    store = model.store
    tables = (store.volumes, store.networks)
    if store.containers.faults or any(table.damaged or table.database.state != "read" for table in tables):
        return True
    used = {driver for each in store.containers.containers.values() for driver in each.volume_drivers}
    used |= {each.driver for each in store.volumes.records.values()}
    networks = {each.driver for each in store.networks.networks.values()}
    return bool(used - {"", "local"} or networks - BUILT_IN)


@rule("plugin-residue", Severity.INFO, actions=(ActionClass.RECLAIM,), after=("plugin-config-damaged",))
def residue(model: Model) -> Iterator[Fault]:
    """What a removal, an upgrade or an installation of a plugin left.

    Why it matters: space that no command sees or frees: no version removes it, at no start.
    How it comes about: the engine was killed meanwhile.
    Repair: it is put away. The `rootfs-old` of an upgrade goes only if the plugin has its `rootfs`.
    Never: put away what is mounted, or what has a name in `plugins/tmp` that engines do not give there.
    Seen in: FC-34
    """
    table = model.store.plugins
    for path in (*table.removing, *table.scratch):
        name = path.rpartition("/")[2]
        mine = (name,) if path in table.scratch and not name.startswith(UNPACKED) else ()
        message = f"{path} was left by a plugin{strangers.told(mine)}"
        yield Fault(Ref("file", path), message, (path,), "", "", () if mine else (reclaim(path),))
    for _, plugin in sorted(table.plugins.items()):
        if plugindirs.BACKUP in plugin.full:
            path = f"{plugin.path}/{plugindirs.BACKUP}"
            whole = plugin.fault is None and plugindirs.ROOTFS in plugin.full
            through = (Ref("plugin", plugin.id),)
            message = f"the upgrade of the plugin {plugin.name or short(plugin.id)} left its older files"
            yield Fault(Ref("file", path), message, (path,), "", "", (reclaim(path),) if whole else (), through)


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on plugins."""
    return (config_damaged, residue)
