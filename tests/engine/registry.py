"""A private registry on loopback for tests: what an engine pushes to it, it can pull again; no other registry is ever asked."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

READY_TIMEOUT = 30.0
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
SETTINGS = """version: 0.1
storage:
  filesystem:
    rootdirectory: {place}
http:
  addr: 127.0.0.1:{port}
"""


def lacks() -> str | None:
    """Why no registry can run here, or None."""
    return None if shutil.which("docker-registry") else "docker-registry is not installed"


class Registry:
    """A running registry. `host` stands before the names of its repositories; an engine trusts it because it is on loopback."""

    def __init__(self, base: Path, port: int) -> None:
        self.host = f"127.0.0.1:{port}"
        self.log = base / "registry.log"

    def layers(self, repository: str, tag: str) -> list[str]:
        """The digests of an image's compressed layers, from the base up."""
        return [each["digest"] for each in self._manifest(repository, tag)["layers"]]

    def fetched(self) -> list[str]:
        """The digests of the blobs that were asked for until now, in the order in which that began."""
        found = []
        for line in self.log.read_text("utf-8", "replace").splitlines():
            method, _, rest = line.partition('"')[2].partition(" ")
            if method == "GET" and "/blobs/" in rest:
                found.append(rest.split()[0].rpartition("/")[2])
        return list(dict.fromkeys(found))

    def _manifest(self, repository: str, tag: str) -> Any:
        asked = urllib.request.Request(f"http://{self.host}/v2/{repository}/manifests/{tag}", headers={"Accept": MANIFEST})
        with urllib.request.urlopen(asked) as answer:
            return json.load(answer)


@contextlib.contextmanager
def running(base: Path) -> Iterator[Registry]:
    """A registry that keeps everything in `base`, until the end of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = base / "registry.yml"
    settings.write_text(SETTINGS.format(place=base / "blobs", port=port))
    made = Registry(base, port)
    with made.log.open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", settings], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        _wait(process, made, port)
        yield made
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], made: Registry, port: int) -> None:
    deadline = time.monotonic() + READY_TIMEOUT
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the registry does not answer:\n{made.log.read_text()[-2000:]}")
        time.sleep(0.05)
