"""What engines say of layers, storage drivers and images (classic store sections 2, 3.3, 5.4, 5.5, 9.2)."""

from docker_fsck.sayings.saying import Saying

LAYERS = (
    Saying(
        says=("readlink …overlay2/l: invalid argument",),
        cases=("FC-02",),
        rules=("ovl-link-file", "ovl-lower-through-l"),
        means=(
            "A container was made while the link file of one of its layers was empty, so that the folder of links was mounted "
            "as a layer."
        ),
        do="`docker-fsck apply --class lossless` mends the link file and the lower files that were made of it.",
    ),
    Saying(
        says=("readlink …overlay2: invalid argument",),
        cases=("FC-02",),
        rules=("ovl-lower",),
        means="The lower file of a layer is empty or ends in a colon, so that the driver takes its own home for a layer.",
        do="`docker-fsck apply --class lossless` derives the lower file from the parents.",
    ),
    Saying(
        says=("readlink …overlay2/l/<short>: no such file or directory", "overlay2/l/<short>: no such file or directory"),
        cases=("FC-02", "FC-44"),
        rules=("ovl-link-symlink", "ovl-lower"),
        means="The short link of a layer is gone; the engine never makes it again.",
        do="`docker-fsck apply --class lossless` makes the link from the layer's own link file.",
    ),
    Saying(
        says=("too many levels of symbolic links",),
        cases=("FC-15", "FC-02"),
        rules=("ovl-lower",),
        means="No loop of links: the lower file of a layer is empty, so that one folder is mounted over itself.",
        do="Do not search the image for links; `docker-fsck apply --class lossless` derives the lower file from the parents.",
    ),
    Saying(
        says=("refusing to remove empty link for layer <id>",),
        cases=("FC-02",),
        rules=("ovl-link-file", "ovl-link-dangling"),
        means="A layer with an empty link file is being removed; its short link stays behind.",
        do="`docker-fsck plan` lists what is left over.",
    ),
    Saying(
        says=(
            "overlay2/<id>: no such file or directory",
            "aufs/diff/<id>: no such file or directory",
            "vfs/dir/<id>: no such file or directory",
        ),
        cases=("FC-03",),
        rules=("layer-driverdir-missing", "mount-rwdir-missing", "buildkit-ref-dangling"),
        means="A record names a layer folder that is gone: its content is lost on this disk.",
        do=(
            "`docker-fsck plan --source FILE` restores it in place from a `docker save` that has it; else "
            "`docker-fsck plan --class lossy` shows which records are put away so that a pull brings it back; never make an "
            "empty folder for it."
        ),
    ),
    Saying(
        says=(
            "overlay2/<id>/committed: no such file or directory",
            "overlay2/<id>/link: no such file or directory",
            "overlay2/<id>/diff: no such file or directory",
        ),
        cases=("FC-03", "FC-02"),
        rules=("layer-driverdir-missing", "ovl-link-file", "ovl-diff-missing", "buildkit-ref-dangling"),
        means="A layer's folder, or a part of it that the driver needs, is gone.",
        do="`docker-fsck plan` says whether the part can be derived; else a layer is restored with `--source`, or pulled again.",
    ),
    Saying(
        says=(
            ".tmp-committed<n>: no such file or directory",
            "failed to prepare <id> as <id>: invalid output path",
            "failed to prepare <id>: open",
        ),
        cases=("FC-08",),
        rules=("buildkit-ref-dangling", "layer-driverdir-missing"),
        means="Records of the build cache name a layer folder that was deleted.",
        do="`docker builder prune -a` clears the records while the engine runs; nothing of an image is lost.",
    ),
    Saying(
        says=("error getting build cache usage", "failed to get usage for <id>"),
        cases=("FC-08",),
        rules=("buildkit-ref-dangling",),
        means="A record of the build cache names a layer or folder that is gone; disk usage fails for the whole host.",
        do="`docker builder prune -a`; where that stays incomplete, `docker-fsck plan` names the records.",
    ),
    Saying(
        says=("error creating overlay mount …no such file or directory",),
        cases=("FC-03", "FC-44"),
        rules=(
            "layer-driverdir-missing",
            "ovl-diff-missing",
            "ovl-work-missing",
            "ovl-link-symlink",
            "mount-initdir-missing",
            "mount-rwdir-missing",
        ),
        means="One of the folders or links that the mount names is not there: a layer, its diff or work folder, or a short link.",
        do="`docker-fsck check` says which; links and work folders are made again without loss, layers are pulled again.",
    ),
    Saying(
        says=("error creating overlay mount …invalid argument",),
        cases=("FC-45", "FC-02"),
        rules=("ovl-lower",),
        means="The kernel refuses the mount: the file system below does not suit, or a lower file is damaged.",
        do="`docker-fsck check` judges the lower files; data roots on overlay, NFS or shared folders do not work.",
    ),
    Saying(
        says=("error creating aufs mount", "aufs/layers/<id>: no such file or directory"),
        cases=("FC-09",),
        rules=("aufs-layers-file", "aufs-dir-missing"),
        means="A part of an aufs layer (its list of parents, its folder, its mount point) is gone.",
        do="`docker-fsck plan`: lists and mount points are derived, a lost folder must be pulled again.",
    ),
    Saying(
        says=("target rename dir …exists but should not",),
        cases=("FC-09",),
        rules=("aufs-removing",),
        means="A removal that was cut short left a folder in the way of the next one.",
        do="`docker-fsck apply --class reclaim` puts the leftover away.",
    ),
    Saying(
        says=(
            "layerdb/tmp/write-set-<n> …file exists",
            "layerdb/tmp/write-set-<n> …directory not empty",
            "rename …write-set-<name> …file exists",
            "rename …write-set-<name> …directory not empty",
        ),
        cases=("FC-06",),
        rules=("layer-record-incomplete", "layer-driverdir-missing", "layer-parent-missing"),
        means=(
            "A layer record that the engine cannot load stands in the way of its own repair: every pull of this layer ends here."
        ),
        do="`docker-fsck plan --class lossy` puts the record and all that stand on it away; then pull.",
    ),
    Saying(
        says=(
            "failed to get diff id for <id>",
            "failed to get size for <id>",
            "failed to get cache id for <id>",
            "failed to get parent for <id>",
            "failed to get descriptor for <id>",
            "Failed to load layer",
        ),
        cases=("FC-06", "FC-12"),
        rules=("layer-record-incomplete", "layer-parent-missing"),
        means="A file of a layer record is missing, empty or malformed; the layer and every image above it are hidden.",
        do="`docker-fsck check` names the file; see what can be derived with `docker-fsck plan`.",
    ),
    Saying(
        says=("max depth exceeded",),
        cases=("FC-46",),
        rules=("layer-too-deep",),
        means="The image has as many layers as the engine can stack.",
        do="Nothing is damaged: build the image with fewer layers.",
    ),
    Saying(
        says=("file integrity checksum failed", "could not verify layer data"),
        cases=("FC-04", "FC-53"),
        rules=("layer-content-mismatch", "layer-tarsplit-corrupt"),
        means=(
            "A file of a layer is not what was pulled; often it is empty since a power cut. Containers run with it without a "
            "word."
        ),
        do=(
            "`docker-fsck plan --level deep --source FILE` restores it in place from a `docker save` that has the layer; else "
            "the image must be pulled again after its records are put away: a plain pull says that it is up to date."
        ),
    ),
    Saying(
        says=("tar-split.json.gz: no such file", "tar-split…unexpected EOF"),
        cases=("FC-53",),
        rules=("layer-tarsplit-missing", "layer-tarsplit-corrupt"),
        means="The layer runs but can be neither saved nor pushed: the list of its files is gone.",
        do=(
            "`docker-fsck plan --source FILE` makes it anew from a `docker save` that has the layer; else pull the image again "
            "after its records are put away: `docker-fsck plan --class lossy`."
        ),
    ),
    Saying(
        says=("layer does not exist, not restoring image", "not restoring image", "layer does not exist"),
        cases=("FC-12",),
        rules=("image-layer-missing", "layer-record-incomplete", "layer-parent-missing"),
        means=(
            "A layer of the image does not load; the image is hidden, its tags and its good layers stay on the disk (engines "
            "before 18.03 do not start)."
        ),
        do="`docker-fsck check` names the layer; do not prune before it is settled.",
    ),
    Saying(
        says=(
            "invalid image …failed to verify",
            "failed to verify: <id>",
            "invalid image …failed to get digest",
            "invalid image",
        ),
        cases=("FC-19",),
        rules=("image-hash-mismatch", "image-config-invalid"),
        means="The configuration of an image is not what its name says; the image is hidden, its layers are not lost.",
        do="`docker-fsck plan --class lossy` puts the configuration away; a pull then fetches only that.",
    ),
    Saying(
        says=("no RootFS key",),
        cases=("FC-19",),
        rules=("image-config-invalid",),
        means="The configuration of an image does not say which layers it has; the image is hidden.",
        do="`docker-fsck plan --class lossy` puts it away so that a pull fetches it again.",
    ),
    Saying(
        says=("parsing time …as …cannot parse",),
        cases=("FC-19",),
        rules=("image-lastupdated-broken",),
        means="The note of when an image was last updated is no time; inspect fails.",
        do="`docker-fsck apply --class reclaim` puts the note away; it is optional.",
    ),
    Saying(
        says=("image has dependent child images",),
        cases=("FC-52",),
        rules=("image-parent-broken",),
        means=(
            "Other images were built on this one; the engine does not say which. No damage, unless parents go round in a circle."
        ),
        do="`docker-fsck check` finds a circle; otherwise remove the children first.",
    ),
    Saying(
        says=("Couldn't create reference store repository", "Couldn't create Tag store"),
        cases=("FC-16",),
        rules=("tags-unparsable", "tags-temp-residue"),
        means="repositories.json cannot be read and the engine does not start; the images themselves are whole.",
        do=(
            "Never delete the file: all tags would be gone and the next prune would take the images. `docker-fsck plan` says "
            "what can be had back."
        ),
    ),
    Saying(
        says=("reference.(*store).reload",),
        cases=("FC-16",),
        rules=("tags-unparsable",),
        means="repositories.json holds `null`; the engine crashes at the start.",
        do="`docker-fsck plan` says what can be had back; never delete the file.",
    ),
    Saying(
        says=("<none> <none> <id>", "all images <none>", "all images `<none>`"),
        cases=("FC-17",),
        rules=("tags-empty", "tags-unparsable", "tags-dangling"),
        means="Images without names: where all images are, the tag store was lost.",
        do="Do not prune. `docker-fsck check` says whether tags can be restored.",
    ),
    Saying(
        says=("no ':' separator in digest",),
        cases=("FC-18",),
        rules=("tags-bad-value",),
        means="A tag has a value that is no image id; commands that look at it are cut off.",
        do="`docker-fsck apply --class lossy` drops the entry.",
    ),
    Saying(
        says=("No such image: <name>", "Error response from daemon: No such image"),
        cases=("FC-18",),
        rules=("tags-dangling", "image-hash-mismatch", "image-layer-missing"),
        means="If the name should be there: its tag points to an image that is gone or hidden.",
        do="`docker-fsck check` says which; a pull brings it back.",
    ),
    Saying(
        says=("Image ID for digest …cannot update", "Cannot overwrite digest"),
        cases=("FC-18",),
        rules=("tags-dangling", "tags-bad-value"),
        means="A reference by digest names another image than the one that was pulled.",
        do="`docker-fsck check` shows the entry.",
    ),
)
