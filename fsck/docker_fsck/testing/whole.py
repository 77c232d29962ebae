"""The healthy store to which the rows of a table do their damage; made by the builder, nothing is judged here."""

from pathlib import Path

from msgspec import Struct

from docker_fsck.testing.buildcache import BuildCache
from docker_fsck.testing.builder import DataRoot

NEVER_STARTED = {"StartedAt": "0001-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z"}


class Whole(Struct, frozen=True, kw_only=True):
    """A healthy store. Images by id: `app` and `web` share the two layers of `base`, `built` came out of a build above `app`.

    `base` and `web` look pulled, `app` and `built` were made here. Containers by id: `ran` above `app` has ended and uses
    the volume `data`, `busy` above `web` was running and uses the anonymous volume, `made` above `web` was never started.
    """

    root: DataRoot
    base: str
    app: str
    web: str
    built: str
    ran: str
    busy: str
    made: str
    data: str
    anonymous: str
    cache: BuildCache

    def dir_of(self, image: str, layer: int = -1) -> str:
        """The driver id of a layer of an image, the top one unless said otherwise."""
        return self.root.dir_of(self.root.chains_of(image)[layer])

    def rel(self, path: Path | str) -> str:
        """`path` as findings spell it: relative to the root."""
        return str((self.root.path / path).relative_to(self.root.path))


def whole(path: Path, driver: str) -> Whole:
    """The healthy store of `driver` at `path`, which must be absent or empty."""
    root = DataRoot(path, driver)
    base = root.image("base:1", 2, digest_ref=True)
    app = root.image("app:1", 1, base=base)
    web = root.image("web:1", 1, base=base, digest_ref=True)
    data, anonymous = root.volume("data", {"kept": b"by the user\n"}), root.volume()
    ran = root.container(app, "ran", files={"tmp/changed": b"in the container\n"}, volumes={data: "/data"})
    busy = root.container(web, "busy", volumes={anonymous: "/data"}, config={"State": {"Running": True, "Pid": 4711}})
    made = root.container(web, "made", config={"State": NEVER_STARTED})
    for name in ("hostname", "hosts", "resolv.conf", "resolv.conf.hash", f"{made}-json.log"):
        root.delete(root.container_dir(made) / name)
    cache = root.build_cache(app, export="built:1")
    return Whole(
        root=root, base=base, app=app, web=web, built=cache.exported_image, ran=ran, busy=busy, made=made, data=data,
        anonymous=anonymous, cache=cache,
    )  # fmt: skip
