"""A private dockerd for tests: it starts, stops, kills and asks one engine on one data root; no other engine is ever touched."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from archives import APPLETS, Layer, archive, busybox, member

READY_TIMEOUT = 60.0
STOP_TIMEOUT = 60.0
GONE_TIMEOUT = 10.0
LONGEST_TEMP = 60  # the longest socket below it needs 35 more bytes, and a socket's path has 107
SHIM_SOCKETS = Path("/run/containerd/s")
CGROUPS = Path("/sys/fs/cgroup")


class EngineError(Exception):
    """The engine or the docker command did not do what a test asked; the text has its words."""


def lacks() -> str | None:
    """Why no engine can run here, or None."""
    if os.geteuid() != 0:
        return "a real engine needs root"
    for name in ("dockerd", "docker", "containerd", "runc", "busybox"):
        if shutil.which(name) is None:
            return f"{name} is not installed"
    if re.search(rb"/lib[0-9]*/ld-", busybox().read_bytes()[:4096]):
        return "busybox is not static"
    return None


@cache
def builder() -> str | None:
    """A docker command that speaks BuildKit by itself: those since 23.0 need a component that Debian does not have."""
    for folder in os.get_exec_path():
        path = f"{folder}/docker"
        if os.access(path, os.X_OK):
            said = subprocess.run([path, "--version"], check=False, capture_output=True, text=True).stdout
            if (version := re.search(r"version (\d+)\.", said)) and 18 < int(version[1]) < 23:
                return path
    return None


def family(marker: str) -> set[int]:
    """The living processes with `marker` in their command line, and all that these have started."""
    parents, members = dict[int, int](), set[int]()
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{name}/cmdline").read_bytes()
            state, parent = Path(f"/proc/{name}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[:2]
        except OSError:  # it has ended meanwhile
            continue
        if state in {"Z", "X"}:
            continue
        parents[int(name)] = int(parent)
        if os.fsencode(marker) in words:
            members.add(int(name))
    fresh = members
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh} - members
        members |= fresh
    return members - {os.getpid()}


def mounts_below(*places: Path) -> dict[int, Path]:
    """The mounts at or below some folders by their kernel ids, the newest first."""
    lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    fields = [line.split() for line in reversed(lines)]
    points = {int(words[0]): Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), words[4])) for words in fields}
    return {key: point for key, point in points.items() if any(point.is_relative_to(place) for place in places)}


class Engine:
    """One dockerd with its containerd, on `root` (default: `base`/root).

    As a context manager it only closes at the end: `start` starts it. The log is `base`/dockerd.log.
    """

    def __init__(self, base: Path, driver: str = "overlay2", root: Path | None = None) -> None:
        self.driver = driver
        self.root = root or base / "root"
        self.log = base / "dockerd.log"
        parent = tempfile.gettempdir()
        self.runtime = Path(tempfile.mkdtemp(prefix="dfe", dir=parent if len(parent) <= LONGEST_TEMP else "/tmp"))
        self.socket = self.runtime / "s"
        self._process: subprocess.Popen[bytes] | None = None
        self._older: set[int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends whatever still runs, and takes the sockets away. The data root and the log stay."""
        self.kill()
        shutil.rmtree(self.runtime, ignore_errors=True)

    @property
    def choice(self) -> list[str]:
        """How the storage driver is chosen; an engine whose `driver` is empty has to find out itself."""
        return ["--storage-driver", self.driver] if self.driver else []

    @property
    def pid(self) -> int:
        """The process id of the running dockerd."""
        if self._process is None:
            raise EngineError("the engine does not run")
        return self._process.pid

    def log_text(self) -> str:
        """What the engine said since its last start."""
        return self.log.read_text("utf-8", "replace")

    def start(self) -> None:
        """Starts the engine and waits until it answers; an engine that ends instead is an error with its words."""
        self.launch()
        if not self.ready():
            self.kill()
            raise EngineError(f"dockerd did not start:\n{self.log_text()[-4000:]}")

    def start_fails(self) -> str:
        """Starts the engine, which must end by itself; hands back its words."""
        self.launch()
        ready = self.ready()
        self.kill()
        if ready:
            raise EngineError("dockerd started where it should have failed")
        return self.log_text()

    def stop(self) -> None:
        """The clean end: SIGTERM, which also stops the containers."""
        if self._process is None:
            raise EngineError("the engine does not run")
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            raise EngineError(f"dockerd did not stop:\n{self.log_text()[-4000:]}") from error
        finally:
            self.kill()

    def kill(self) -> None:
        """The sudden end: SIGKILL for dockerd, its containerd, its shims and their containers; then their mounts and sockets go.

        Like after a power cut nothing of the exec root is left: a stale containerd.pid would keep the next start waiting, where
        the killed containerd is a zombie that init has not collected.
        """
        self.kill_processes()
        self.unmount()
        if not mounts_below(self.runtime):
            shutil.rmtree(self.runtime / "x", ignore_errors=True)

    def kill_processes(self) -> None:
        """SIGKILL for everything of this engine, dockerd first, so that nothing is started again; mounts stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        deadline = time.monotonic() + GONE_TIMEOUT
        while members := family(f"{self.runtime}/"):
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise EngineError(f"processes {sorted(members)} do not end")
            time.sleep(0.01)
        self._tidy_host()

    def unmount(self) -> None:
        """Unmounts what was mounted at or below the data root and the runtime folder since the launch."""
        if self._older is None:
            return
        for point in [point for key, point in mounts_below(self.root, self.runtime).items() if key not in self._older]:
            if subprocess.run(["umount", point], capture_output=True, check=False).returncode:
                subprocess.run(["umount", "-l", point], capture_output=True, check=False)
        self._older = None

    def docker(self, *args: str, input: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:  # noqa: A002
        """`docker ARGS…` against this engine, with the classic builder; a failure is an error unless `check` is false."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
        env |= {"DOCKER_CONFIG": str(self.runtime / "cli"), "DOCKER_BUILDKIT": "0"}
        command = ["docker", "-H", f"unix://{self.socket}", *args]
        done = subprocess.run(command, env=env, check=False, capture_output=True, text=True, errors="replace", input=input or "")
        if check and done.returncode:
            raise EngineError(f"docker {' '.join(args)}: {done.returncode}: {done.stderr.strip()}")
        return done

    def buildkit(self, context: Path, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`docker build ARGS… CONTEXT` with BuildKit and without network; a failure is an error unless `check` is false."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
        env |= {"DOCKER_CONFIG": str(self.runtime / "cli"), "DOCKER_BUILDKIT": "1"}
        command = [builder() or "docker", "-H", f"unix://{self.socket}", "build", "--progress=plain", "--network=none", *args]
        done = subprocess.run([*command, str(context)], env=env, check=False, capture_output=True, text=True, errors="replace")
        if check and done.returncode:
            raise EngineError(f"docker build: {done.returncode}: {done.stderr.strip()[-2000:]}")
        return done

    def import_image(self, tag: str | None, layers: Sequence[Layer], base: str | None = None) -> str:
        """Makes an image with one layer for each mapping of file names to bytes; hands back its id.

        The first layer also holds busybox, unless the image stands on `base`. With `tag` None it stays dangling.
        """
        with tempfile.TemporaryDirectory(prefix="dfi") as name:
            context = Path(name)
            if base is None:
                first = context / "first.tar"
                first.write_bytes(archive(layers[0], APPLETS))
                base = self.docker("import", str(first), *([tag] if tag and len(layers) == 1 else [])).stdout.strip()
                first.unlink()
                layers = layers[1:]
            if not layers:
                return base
            steps = [f"FROM {base}"]
            for number, layer in enumerate(layers):
                (context / f"{number}.tar").write_bytes(archive(layer))
                steps.append(f"ADD {number}.tar /")
            (context / "Dockerfile").write_text("\n".join(steps) + "\n", "utf-8")
            return self.docker("build", "-q", *(["-t", tag] if tag else []), str(context)).stdout.strip()

    def create_container(self, name: str, image: str, *command: str, options: Sequence[str] = ()) -> str:
        """A container that has never run; hands back its id."""
        return self.docker("create", "--name", name, "--network", "none", *options, image, *command).stdout.strip()

    def run(self, name: str, image: str, *command: str, options: Sequence[str] = ()) -> str:
        """Runs a container to its end, which must be a good one; hands back its id."""
        self.docker("run", "--name", name, "--network", "none", *options, image, *command)
        return self.docker("container", "inspect", "-f", "{{.Id}}", name).stdout.strip()

    def run_detached(self, name: str, image: str, *command: str, options: Sequence[str] = ()) -> str:
        """Starts a container that goes on running; hands back its id."""
        return self.docker("run", "-d", "--name", name, "--network", "none", *options, image, *command).stdout.strip()

    def save_digests(self, tag: str) -> list[str]:
        """`sha256:…` of what `docker save` gives: the config, which is the image id, then each layer's tar from the base up."""
        with tempfile.TemporaryDirectory(prefix="dfi") as name:
            self.docker("save", "-o", f"{name}/saved.tar", tag)
            with tarfile.open(f"{name}/saved.tar") as tar:
                entry = json.loads(member(tar, "manifest.json"))[0]
                return ["sha256:" + hashlib.sha256(member(tar, path)).hexdigest() for path in (entry["Config"], *entry["Layers"])]

    def images(self) -> list[tuple[str, str]]:
        """What `docker images` lists: reference (`<none>:<none>` for a dangling one) and id, sorted."""
        lines = self.docker("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").stdout.splitlines()
        return sorted((reference, image) for reference, _, image in (line.rpartition(" ") for line in lines))

    def ps(self) -> dict[str, str]:
        """The state (`created`, `running`, `exited`, …) of each container by its name."""
        lines = self.docker("ps", "-a", "--format", "{{.Names}} {{.State}}").stdout.splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def volumes(self) -> set[str]:
        """The names of all volumes."""
        return set(self.docker("volume", "ls", "-q").stdout.split())

    def launch(self) -> None:
        """Executes dockerd and does not wait; an engine that runs already is an error."""
        if self._process is not None:
            raise EngineError("the engine runs already")
        self._older = set(mounts_below(self.root))
        command = ["dockerd", "--debug", "--data-root", str(self.root), "--exec-root", str(self.runtime / "x")]
        command += ["-H", f"unix://{self.socket}", "-p", str(self.runtime / "p"), *self.choice]
        command += ["--bridge=none", "--iptables=false", "--ip6tables=false"]
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    def ready(self) -> bool:
        """Waits until the launched engine answers (true) or has ended (false); one that does neither for a minute is an error."""
        deadline = time.monotonic() + READY_TIMEOUT
        while self._process is not None and self._process.poll() is None:
            if time.monotonic() > deadline:
                raise EngineError(f"dockerd neither answers nor ends:\n{self.log_text()[-4000:]}")
            with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
                probe.settimeout(READY_TIMEOUT)
                probe.connect(str(self.socket))
                probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                if b" 200 " in probe.recv(64):
                    return True
            time.sleep(0.01)
        return False

    def _tidy_host(self) -> None:
        """Removes what killed shims leave outside: their sockets, and the empty control groups of this root's containers."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self.root / "containers"):
                address = f"{self.runtime}/x/containerd/containerd.sock/moby/{name}"
                (SHIM_SOCKETS / hashlib.sha256(address.encode()).hexdigest()).unlink(missing_ok=True)
                for group in (*CGROUPS.glob(f"docker/{name}"), *CGROUPS.glob(f"*/docker/{name}")):
                    group.rmdir()
