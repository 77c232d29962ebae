"""What the populated root holds, and how an engine makes it; every change of a root is the engine's."""

from dataclasses import dataclass
from pathlib import Path

from dockerd import Engine

NAMED_VOLUME = "kept"


@dataclass(frozen=True)
class Populated:
    """A stopped root and what is in it. `engine` is not started; ids are full.

    `images` has for each tag what `save_digests` said: `shop:1` and `shop:2` share their first two layers, `lone:1` shares
    nothing. `dangling` is an image without a tag. The container `exited` (of `shop:1`) has changed a file and filled the
    volumes `kept` and `anonymous`; `created` (of `shop:2`) never ran.
    """

    engine: Engine
    images: dict[str, list[str]]
    dangling: str
    exited: str
    created: str
    anonymous: str

    @property
    def root(self) -> Path:
        """The data root."""
        return self.engine.root


def populate(engine: Engine) -> Populated:
    """Fills an empty root as `Populated` says; starts and stops the engine."""
    engine.start()
    engine.import_image("stem:1", [{"etc/motd": b"stem\n"}, {"srv/second": b"2\n"}])
    engine.import_image("shop:1", [{"srv/shop": b"one\n"}, {"srv/more": b"1\n" * 500}], base="stem:1")
    engine.import_image("shop:2", [{"srv/shop": b"two\n"}], base="stem:1")
    engine.docker("rmi", "stem:1")
    engine.import_image("lone:1", [{"etc/lone": b"1\n"}, {"srv/a": b"a\n"}, {"srv/a": b"aa\n", "srv/b": b"b\n"}])
    dangling = engine.import_image(None, [{"etc/dangling": b"d\n"}])
    options = ("-v", f"{NAMED_VOLUME}:/kept", "-v", "/anonymous")
    script = "echo changed > /etc/motd; echo data > /kept/file; echo more > /anonymous/file"
    exited = engine.run("exited", "shop:1", "sh", "-c", script, options=options)
    created = engine.create_container("created", "shop:2", "sh")
    (anonymous,) = engine.volumes() - {NAMED_VOLUME}
    images = {tag: engine.save_digests(tag) for tag in ("shop:1", "shop:2", "lone:1")}
    engine.stop()
    return Populated(engine, images, dangling, exited, created, anonymous)
