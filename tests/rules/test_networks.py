"""The table of the rules on networks (classic-store 11; FC-26, FC-27)."""

from collections.abc import Callable
from pathlib import Path

from docker_fsck.testing.others import write_networks
from docker_fsck.testing.table import Row, Told, disagreements, fires, folds, run, silent
from docker_fsck.testing.whole import Whole, whole
from docker_fsck.values import Severity

from .cases import (
    INFO,
    LOSSY,
    OTHER,
    deleted,
    does,
    emptied,
    file,
    foldered,
    nulled,
    rows,
    told,
    written,
)

DB, DAMAGED, BRIDGE = "network-db-unreadable", "network-record-damaged", "network-bridge-duplicate"
GONE = "container-network-missing"
STALE, DRIVER = "network-stale", "network-driver-missing"
DATABASE = file(lambda store: store.root.path / "network/files/local-kv.db")
FRONT = "docker network create --driver bridge --subnet 192.0.2.0/24 --attachable --opt com.docker.network.bridge.name=br-front --label 'a=b c' front"


def blamed(network: str, store: Whole) -> Told:
    """A network, by the database that holds it."""
    return told(store, "network", network, DATABASE.path(store))


def front(store: Whole) -> str:
    """A network as a user makes one."""
    return store.root.network("front", subnet="192.0.2.0/24", bridge="br-front", labels={"a": "b c"}, attachable=True)


def twins(store: Whole) -> Told:
    """Two networks of one bridge."""
    found = [store.root.network(name, bridge="br-same") for name in ("one", "two")]
    return blamed(max(found), store)


def connected(container: Callable[[Whole], str]) -> Callable[[Whole], object]:
    """A container has an end in a network."""
    return lambda store: store.root.endpoint(front(store), container(store))


def far(store: Whole) -> Told:
    """A network of a driver that is no plugin here."""
    return blamed(store.root.network("far", driver="vendor/net:1"), store)


def half(suffix: str) -> Callable[[Whole], Told]:
    """The plugin of such a network is half removed, or its configuration is cut off behind its name."""

    def blow(store: Whole) -> Told:
        path = f"plugins/{store.root.plugin('vendor/net:1')}"
        config = store.root.path / path / "config.json"
        store.root.write(f"{path}/config.json", config.read_bytes().partition(b',"Settings"')[0])
        if suffix:
            store.root.move(path, path + suffix)
        return far(store)

    return blow


def record(value: bytes) -> Callable[[Whole], None]:
    """The record of a network is something else."""

    def blow(store: Whole) -> None:
        store.root.networks.entries[f"network/{OTHER}/"] = value
        write_networks(store.root)

    return blow


def count(ident: str) -> Callable[[Whole], None]:
    """The number of endpoints of a network."""

    def blow(store: Whole) -> None:
        store.root.networks.entries[f"endpoint_count/{ident}/"] = bytes(8) + b'{"Count":0}'
        write_networks(store.root)

    return blow


def on(name: str, ident: str, before: Callable[[Whole], object] = lambda _: None) -> Callable[[Whole], Told]:
    """A container is on a network."""

    def blow(store: Whole) -> Told:
        before(store)
        networks = {"NetworkSettings": {"Networks": {name: {"NetworkID": ident}}}}
        store.root.container(store.app, "there", config=networks)
        return told(store, "network", name, DATABASE.path(store))

    return blow


# fmt: off
ROWS: tuple[Row, ...] = (
    *(fires(DB, f"it {what}", strike, cls=LOSSY) for what, strike in (
        ("is all NUL", nulled(DATABASE)), ("is a word", written(DATABASE, b"<html>")),
        ("is cut inside of its pages", does(DATABASE, lambda store: store.root.write(
            DATABASE.path(store), DATABASE.path(store).read_bytes()[:8192]))))),
    fires(DB, "it is a folder", foldered(DATABASE)),
    silent(DB, "it is empty", emptied(DATABASE)),
    silent(DB, "it is gone", deleted(DATABASE)),
    fires(DB, "one of its metas is torn", does(DATABASE, lambda store: store.root.flip(DATABASE.path(store), 8 * 40)), severity=INFO),
    fires(DAMAGED, "a record is no JSON", does(DATABASE, record(bytes(8) + b"{{"))),
    fires(DAMAGED, "a record is a list", does(DATABASE, record(bytes(8) + b"[]"))),
    silent(DAMAGED, "a record is a folder of the key space", does(DATABASE, record(bytes(8)))),
    fires(DAMAGED, "a record speaks of another network", does(DATABASE, record(bytes(8) + b'{"id":"x","name":"x"}'))),
    fires(DAMAGED, "the number of its endpoints is of another network", does(DATABASE, count(OTHER)), severity=Severity.INFO),
    silent(DAMAGED, "the number of its endpoints is there", does(DATABASE, lambda store: front(store))),
    fires(GONE, "the network of a container was never made", on("mine", "")),
    fires(GONE, "a container has joined a network of which nothing speaks here, as those of an external store", on("mine", OTHER),
          severity=INFO),
    folds(GONE, DAMAGED, "the number of endpoints of the network is left", does(DATABASE, on("mine", OTHER, count(OTHER))), severity=INFO),
    fires(GONE, "an end of the network is left", on("mine", OTHER, lambda store: store.root.endpoint(OTHER, store.ran))),
    fires(GONE, "a container has joined a network and the database is gone", on("mine", OTHER, lambda store: store.root.delete(
          DATABASE.path(store)))),
    fires(GONE, "the network that a container was on is another one now", on("front", OTHER, front), severity=Severity.INFO),
    silent(GONE, "a container is on a network of the user's", does(DATABASE, on("front", "", front))),
    silent(GONE, "a container knows an older id of a network that each start makes", does(DATABASE, on("bridge", OTHER))),
    silent(GONE, "a container was made with the first digits of a network's id", does(DATABASE, lambda store: on(front(store)[:12], "")(store))),
    silent(GONE, "the node is in a swarm", does(DATABASE, on("mine", OTHER), lambda store: store.root.swarm())),
    fires(BRIDGE, "two networks were made at once", twins),
    silent(BRIDGE, "two networks have no bridge of their own", does(DATABASE, lambda store: [
        store.root.network(name) for name in ("one", "two")])),
    fires(STALE, "the container is gone", does(DATABASE, connected(lambda _: OTHER))),
    silent(STALE, "the container is there", does(DATABASE, connected(lambda store: store.ran))),
    silent(STALE, "the container cannot be read", does(DATABASE, connected(lambda store: store.ran), lambda store: store.root.empty(
        store.root.container_dir(store.ran) / "config.v2.json")), also=("container-config-corrupt",)),
    silent(STALE, "it is a swarm's own", does(DATABASE, connected(lambda _: "ingress_sbox"))),
    silent(STALE, "the containers are unknown", does(DATABASE, connected(lambda _: OTHER), lambda store: store.root.delete(
        "containers")), also=("container-folder-missing",)),
    fires(DRIVER, "its plugin is not there, or runs outside of the engine", far, severity=INFO),
    fires(DRIVER, "the removal of its plugin was cut short", half("-removing"), also=("plugin-residue",)),
    fires(DRIVER, "the configuration of its plugin is cut off", half(""), also=("plugin-config-damaged",)),
    silent(DRIVER, "its plugin is there", does(DATABASE, lambda store: store.root.plugin("vendor/net:1"), far)),
    silent(DRIVER, "a plugin cannot be read, which may be it", does(DATABASE, far, lambda store: store.root.empty(
        f"plugins/{store.root.plugin()}/config.json")), also=("plugin-config-damaged",)),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_networks_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


def test_the_plan_tells_how_to_make_the_lost_networks_again(place: Path) -> None:
    store = whole(place, "overlay2")
    front(store)
    path = DATABASE.path(store)
    path.write_bytes(bytes(8192) + path.read_bytes()[8192:])
    (action,) = run(place).plan.actions
    assert ("all networks that users made on this host", "the network front (bridge)") == action.loses
    assert (f"make your networks again and connect their containers: {FRONT}",) == action.next
    assert ["network/files/local-kv.db"] == [step.path for step in action.steps]


def test_a_hostile_name_of_a_network_stays_one_word(place: Path) -> None:
    store = whole(place, "overlay2")
    store.root.network("x; rm -rf /", subnet="192.0.2.0/24")
    store.root.cut(DATABASE.path(store))
    store.root.write(DATABASE.path(store), bytes(8192) + DATABASE.path(store).read_bytes()[8192:])
    (action,) = run(place).plan.actions
    assert action.next[0].endswith(" 'x; rm -rf /'")
