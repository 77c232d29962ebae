"""Documents with a whole second copy on the disk: of containers from what a writer left, of images from a blob of containerd."""

import pytest

from places import empty
from repairkit import Stock, Told, explains, mended, refusal, state, survey, told

BLOBS = "containerd/daemon/io.containerd.content.v1.content/blobs/sha256"
WORDS = 'msg="failed to load container" container={} error=EOF'


@pytest.mark.parametrize("name", ["config.v2.json", "hostconfig.json"])
def test_an_emptied_document_of_a_container_is_restored_from_a_whole_copy(stock: Stock, name: str) -> None:
    engine, container = stock.engine, stock.ids["exited"]
    document = stock.root / "containers" / container / name
    data = document.read_bytes()
    empty(document)
    engine.start()
    words = engine.log_text()
    assert WORDS.format(container) in words
    assert "No such container: exited" in refusal(engine, "start", "exited")
    assert sorted(stock.state.volumes) == sorted(engine.docker("volume", "ls", "-q", "-f", "dangling=true").stdout.split())
    engine.stop()
    rule = {"config.v2.json": "container-config-corrupt", "hostconfig.json": "container-hostconfig-corrupt"}[name]
    copy = document.with_name(f".tmp-{name}123")
    copy.write_bytes(data[:-20])
    assert [stock.of(rule, f"container {container}", "exited", mend="")] == told(survey(stock.root)), "a cut copy mends nothing"
    copy.write_bytes(data)
    found = survey(stock.root)
    assert (4, [stock.of(rule, f"container {container}", "exited")]) == (found.exit, told(found))
    assert explains(found, rule, words)
    with mended(stock, "lossless") as done:
        assert ([], data, False) == (told(done), document.read_bytes(), copy.exists())
        engine.start()
        assert stock.state == state(engine)


def test_an_emptied_configuration_of_an_image_is_restored_from_the_same_blob(stock: Stock) -> None:
    engine, image = stock.engine, stock.images["lone:1"]
    config = stock.places.config(image)
    data = config.read_bytes()
    blob = stock.root / BLOBS / config.name
    blob.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(data)
    empty(config)
    engine.start()
    assert f"invalid image {image}, failed to verify: {image}" in engine.log_text()
    engine.stop()
    found = survey(stock.root)
    assert (4, [Told("image-hash-mismatch", f"image {image}", ("lone:1",), mend="lossless")]) == (found.exit, told(found))
    with mended(stock, "lossless") as done:
        assert ([], data) == (told(done), config.read_bytes())
        engine.start()
        assert stock.state == state(engine)


def test_a_lost_configuration_of_a_named_image_is_restored_from_the_same_blob(stock: Stock) -> None:
    config = stock.places.config(stock.images["lone:1"])
    data = config.read_bytes()
    blob = stock.root / BLOBS / config.name
    blob.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(data)
    config.unlink()
    assert "lossless" in {each.mend for each in told(survey(stock.root)) if each.rule == "tags-dangling"}
    with mended(stock, "lossless") as done:
        assert ([], data) == (told(done), config.read_bytes())
        stock.engine.start()
        assert stock.state == state(stock.engine)
