"""What engines say of containers, their mount records, volumes, networks and plugins (classic store sections 7, 10.4, 11)."""

from docker_fsck.sayings.saying import Saying

OBJECTS = (
    Saying(
        says=("Failed to load container mount …mount does not exist", "failed to load container mount", "mount does not exist"),
        cases=("FC-22", "FC-23", "FC-24"),
        rules=("container-record-missing", "mount-record-broken", "mount-parent-missing-file"),
        means=(
            "The record of a container's writable layer is gone or cannot be read; the container is hidden or cannot be removed."
        ),
        do=(
            "Do not prune: a hidden container protects neither its image nor its volumes. `docker-fsck plan` says whether the "
            "record can be derived."
        ),
    ),
    Saying(
        says=(
            "RWLayer of container <id> is unexpectedly nil",
            "RWLayer …is unexpectedly nil",
            "RW layer for container <id> not found",
            "rw layer snapshot not found for container",
        ),
        cases=("FC-22", "FC-23", "FC-24"),
        rules=("container-record-missing", "mount-record-broken", "mount-rwdir-missing", "container-name-duplicate"),
        means="A container is listed and has no writable layer.",
        do="`docker-fsck plan` says whether its record can be derived; else the container can only be removed, its volumes stay.",
    ),
    Saying(
        says=("invalid mount id value", "invalid init id value", "Failed to load mount"),
        cases=("FC-24",),
        rules=("mount-record-broken",),
        means="A file of a container's mount record is empty, as after a power cut; the writable layer is still there.",
        do="`docker-fsck apply --class lossless` writes the record anew where only one writable layer fits.",
    ),
    Saying(
        says=("config.v2.json: no such file or directory",),
        cases=("FC-20",),
        rules=("container-config-corrupt", "container-remnant"),
        means=(
            "A container folder has no configuration: it was lost, or it is the rest of a create or a removal that was cut short."
        ),
        do="`docker-fsck check` tells the two apart; do not delete the folder before.",
    ),
    Saying(
        says=("Failed to load container",),
        cases=("FC-20", "FC-21"),
        rules=("container-config-corrupt", "container-hostconfig-corrupt", "container-foreign-entry"),
        means=(
            "A container's config.v2.json or hostconfig.json cannot be read; the container is hidden, its writable layer is "
            "still there."
        ),
        do=(
            "Do not prune: its image and volumes look unused. `docker-fsck plan` offers the temporary copy if there is a "
            "whole one."
        ),
    ),
    Saying(
        says=("Container <name> is stored at",),
        cases=("FC-20",),
        rules=("container-id-mismatch",),
        means="A container folder holds the configuration of another container, as after a copy.",
        do="`docker-fsck check` names both; nothing is changed by itself.",
    ),
    Saying(
        says=("InitDNSHostConfig",),
        cases=("FC-21",),
        rules=("container-hostconfig-corrupt",),
        means="A hostconfig.json holds `null`; the engine crashes at the start.",
        do="`docker-fsck plan` names the file and what is done about it.",
    ),
    Saying(
        says=("created with another storage driver",),
        cases=("FC-55",),
        rules=("container-foreign-driver",),
        means="A container of another storage driver is not shown; its volumes look unused.",
        do="Do not prune; start the engine with that driver to see it.",
    ),
    Saying(
        says=("failed to register container name", "name is reserved", "is already in use by container"),
        cases=("FC-23",),
        rules=("container-name-duplicate",),
        means="Two containers have one name; one of them, by chance, is hidden.",
        do="`docker-fsck check` says which of them still has a writable layer.",
    ),
    Saying(
        says=("removal already in progress", "Removal In Progress", "is marked for removal", "Dead"),
        cases=("FC-25",),
        rules=("container-dead", "mount-rwdir-missing", "container-folder-missing"),
        means="A removal was cut short; the container can only be removed to the end.",
        do="`docker rm` finishes it as long as its record is whole; else `docker-fsck plan`.",
    ),
    Saying(
        says=("failed to remove root filesystem …device or resource busy", "device or resource busy", "layer not retained"),
        cases=("FC-10",),
        rules=("mount-orphan", "container-dead"),
        means="Something still holds a mount of the container, often in another mount namespace.",
        do="Find and stop that process, then `docker rm`; never unmount or delete by hand below the mount.",
    ),
    Saying(
        says=("failed to remove root filesystem …no such file or directory",),
        cases=("FC-25", "FC-22"),
        rules=("container-dead", "mount-rwdir-missing"),
        means="A part of the container that is to be removed is gone already.",
        do="`docker-fsck plan` finishes what the engine cannot.",
    ),
    Saying(
        says=("error unmounting container…layer not mounted",),
        cases=("FC-25",),
        rules=("container-unclean",),
        means="After a power cut the engine cleans up what it thinks is still mounted.",
        do="Nothing, if it is said only once after a start.",
    ),
    Saying(
        says=("Error grabbing logs: invalid character", "Error grabbing logs"),
        cases=("FC-38",),
        rules=("container-log-damaged",),
        means="A container's log holds zero bytes since a power cut; the container itself is whole.",
        do="Keep the log and cut the damaged part out while the container is stopped; never truncate it to nothing.",
    ),
    Saying(
        says=("unmarshaling volume options for volume", "unmarshaling volume options"),
        cases=("FC-31",),
        rules=("volume-opts-corrupt",),
        means="The opts.json of one volume cannot be read and the engine does not start; the volume's data is not touched by it.",
        do=(
            "Do not delete it: a volume with a device would then be mounted as an empty folder. `docker-fsck plan` derives it "
            "where it can."
        ),
    ),
    Saying(
        says=("volumes/<name>/_data: no such file or directory", "error evaluating symlinks from mount source"),
        cases=("FC-32",),
        rules=("volume-data-missing", "container-volume-missing"),
        means="A volume has no data folder any more.",
        do="Look for a copy first; an empty folder would let the application start without its data.",
    ),
    Saying(
        says=("no such volume", "failed to prepare mountpoints for container"),
        cases=("FC-32",),
        rules=("container-volume-missing", "volume-data-missing"),
        means="A container names a volume that is not there.",
        do="Restore the volume from a backup; docker-fsck never makes or removes volumes.",
    ),
    Saying(
        says=("volume is in use - [<id>]", "volume is in use"),
        cases=("FC-33",),
        rules=("container-folder-missing", "prune-hazard"),
        means="If that container is not listed: it is hidden or was half removed.",
        do="`docker-fsck check` finds it.",
    ),
    Saying(
        says=(
            "networks have same bridge name",
            "has active endpoints",
            "failed to create network bridge",
        ),
        cases=("FC-27",),
        rules=("network-bridge-duplicate", "network-stale"),
        means="The network database holds records that do not fit each other or any container.",
        do="The engine must be stopped for a repair; user-defined networks are only in that database, so keep a copy.",
    ),
    Saying(
        says=(
            "couldn't create plugin manager",
            "failed to restore plugins",
            "missing plugin config, skipping",
            "type types.PluginEnv",
        ),
        cases=("FC-34",),
        rules=("plugin-config-damaged", "plugin-residue"),
        means="The folder of a plugin has no readable configuration; old engines do not start then.",
        do="Keep the folder: volumes of the plugin may lie in it. Put it away only with the engine stopped.",
    ),
    Saying(
        says=("Error loading key file", "unable to decode private key JWK"),
        cases=("FC-35",),
        rules=("engine-key-damaged",),
        means="The key file that gives old engines their identity is empty.",
        do="Put it aside with the engine stopped; a new one is made, with a new identity.",
    ),
    Saying(
        says=("unable to configure the Docker daemon with file",),
        cases=("FC-36",),
        rules=("daemon-json",),
        means="daemon.json is empty or no JSON, or a flag and the file name the same setting; the engine does not start.",
        do="Mend the file by hand: it is yours, and docker-fsck never edits it.",
    ),
    Saying(
        says=("GetImageBlob<n>", "docker-import-<name>", "layerdb/tmp/write-set-"),
        cases=("FC-37",),
        rules=("layer-tmp", "tmp-old-stuck"),
        means="Temporary files of a pull, build or import; left behind if it was cut short.",
        do="`docker-fsck plan --class reclaim` lists those that nobody uses.",
    ),
)
