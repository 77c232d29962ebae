"""Damages for whole roots of a real engine, each a kind that the field knows, picked by a seed; it asks no program."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from places import Places, drop_image, empty

Damage = Callable[[Places, random.Random], Path | None]
"""Does one damage somewhere in a root; what was hit, None where there is nothing left to be hit."""


def _pick(chance: random.Random, found: list[Path]) -> Path | None:
    return chance.choice(sorted(found)) if found else None


def _files(places: Places, *patterns: str) -> list[Path]:
    return [path for pattern in patterns for path in places.root.glob(pattern) if path.is_file() and path.stat().st_size]


def _emptied(*patterns: str) -> Damage:
    def damage(places: Places, chance: random.Random) -> Path | None:
        path = _pick(chance, _files(places, *(each.format(d=places.driver) for each in patterns)))
        if path is not None:
            empty(path)
        return path

    return damage


def _deleted(*patterns: str) -> Damage:
    def damage(places: Places, chance: random.Random) -> Path | None:
        found = [path for each in patterns for path in places.root.glob(each.format(d=places.driver))]
        path = _pick(chance, found)
        if path is not None and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path is not None:
            path.unlink()
        return path

    return damage


def _flipped(places: Places, chance: random.Random) -> Path | None:
    path = _pick(chance, _files(places, f"image/{places.driver}/imagedb/content/sha256/*"))
    if path is not None:
        data = bytearray(path.read_bytes())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
    return path


def _folder(places: Places, chance: random.Random) -> Path | None:
    path = _pick(chance, [path for path in places.home.iterdir() if len(path.name) >= 64])
    if path is not None:
        shutil.rmtree(path)
    return path


def _unlisted(places: Places, chance: random.Random) -> Path | None:
    """An image that was removed by half: its layers stay."""
    config = _pick(chance, _files(places, f"image/{places.driver}/imagedb/content/sha256/*"))
    if config is not None and places.tags.exists() and places.tags.stat().st_size:
        drop_image(places, f"sha256:{config.name}")
    return config


def _orphan(places: Places, chance: random.Random) -> Path | None:
    """The folder of a pull that was cut short."""
    model = _pick(chance, [path for path in places.home.iterdir() if len(path.name) == 64])
    made = places.home / f"{chance.getrandbits(256):064x}"
    if model is not None:
        made.mkdir()
        if places.driver == "overlay2":
            short = "".join(chance.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=26))
            (made / "diff").mkdir()
            (made / "link").write_text(short)
            (places.home / "l" / short).symlink_to(f"../{made.name}/diff")
    return made


DAMAGES: dict[str, Damage] = {
    "a file of a layer record is empty": _emptied(
        *(f"image/{{d}}/layerdb/sha256/*/{name}" for name in ("diff", "size", "parent"))
    ),
    "a cache-id is empty": _emptied("image/{d}/layerdb/sha256/*/cache-id"),
    "a layer record is gone": _deleted("image/{d}/layerdb/sha256/*"),
    "a file of a mount record is empty": _emptied("image/{d}/layerdb/mounts/*/*"),
    "a mount record is gone": _deleted("image/{d}/layerdb/mounts/*"),
    "an image configuration is empty": _emptied("image/{d}/imagedb/content/sha256/*"),
    "a bit of an image configuration is flipped": _flipped,
    "the tag store is empty": _emptied("image/{d}/repositories.json"),
    "a container's configuration is empty": _emptied("containers/*/config.v2.json", "containers/*/hostconfig.json"),
    "a driver dir is gone": _folder,
    "an image was removed by half": _unlisted,
    "a folder is nobody's": _orphan,
}
OVERLAY: dict[str, Damage] = {
    "a link is empty": _emptied("overlay2/*/link"),
    "a lower is empty": _emptied("overlay2/*/lower"),
    "a short link is gone": _deleted("overlay2/l/*"),
    "a work is gone": _deleted("overlay2/*/work"),
    "a diff is gone": _deleted("overlay2/*/diff"),
}


def havoc(places: Places, seed: int) -> list[str]:
    """One to five damages; what was done, in words."""
    chance = random.Random(seed)
    table = DAMAGES | (OVERLAY if places.driver == "overlay2" else {})
    done = []
    for _ in range(chance.randint(1, 5)):
        name = chance.choice(sorted(table))
        hit = table[name](places, chance)
        if hit is not None:
            done.append(f"{name}: {os.path.relpath(hit, places.root)}")
    return done
