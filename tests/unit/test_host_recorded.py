"""Who uses a data root, asked of recorded answers of /proc: what real hosts say and this one cannot be made to say."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from docker_fsck import hostengine, hostmounts, hostproc
from docker_fsck.errors import Refused
from docker_fsck.host import METADATA, engine_processes, look

ID = "ab" * 32
INIT = 1


class Recorded:
    """A /proc of our own making; processes see the mounts of `mounts` unless they have their own."""

    def __init__(self, base: Path, root: Path) -> None:
        self.proc, self.root = base / "proc", root
        self.dev = root.stat().st_dev
        self.device = f"{os.major(self.dev)}:{os.minor(self.dev)}"
        self.mounts = [f"1 0 {self.device} / / rw shared:1 - ext4 /dev/vda rw"]
        self.proc.mkdir()
        (self.proc / "self").symlink_to(str(os.getpid()))
        (self.proc / "locks").write_text("1: POSIX  ADVISORY  WRITE 7 00:01:5 0 EOF\n2: FLOCK  ADVISORY  READ 9 <none>:0 0 EOF\n")
        self.process(os.getpid(), "python")
        self.process(INIT, "systemd")
        self.link("self/ns/pid", hostproc.INITIAL_PID_NAMESPACE)

    def __str__(self) -> str:
        return str(self.proc)

    def process(self, pid: int, *argv: str, comm: str = "", mounts: list[str] | None = None, **links: str) -> Path:
        folder = self.proc / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "ns").mkdir()
        (folder / "comm").write_text((comm or argv[0].rpartition("/")[2])[:15] + "\n")
        (folder / "cmdline").write_text("".join(f"{word}\0" for word in argv))
        (folder / "mountinfo").write_text("\n".join(mounts or self.mounts) + "\n")
        self.link(f"{pid}/ns/mnt", f"mnt:[{pid if mounts else 1}]")
        for name, target in ({"root": "/", "cwd": "/", "exe": argv[0]} | links).items():
            self.link(f"{pid}/{name.replace('_', '/')}", target)
        return folder

    def link(self, name: str, target: str) -> None:
        (self.proc / name).symlink_to(target)

    def lock(self, pid: int, file: Path, *, dev: str | None = None, mark: str = "") -> None:
        where = dev or f"{os.major(self.dev):02x}:{os.minor(self.dev):02x}"
        with (self.proc / "locks").open("a") as locks:
            locks.write(f"2: {mark}FLOCK  ADVISORY  WRITE {pid} {where}:{file.stat().st_ino} 0 EOF\n")

    def away(self, name: str) -> Path:
        """Removes a file and hands back its path."""
        (self.proc / name).unlink()
        return self.proc / name

    def mount(self, *lines: str) -> None:
        self.mounts += lines
        for folder in self.proc.glob("[0-9]*"):
            (folder / "mountinfo").write_text("\n".join(self.mounts) + "\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with one container."""
    place = tmp_path / "docker"
    (place / "containers" / ID).mkdir(parents=True)
    (place / METADATA).parent.mkdir()
    (place / METADATA).write_bytes(b"")
    return place


@pytest.fixture
def proc(tmp_path: Path, root: Path) -> Recorded:
    """A host on which only init runs."""
    return Recorded(tmp_path, root)


def uses(root: Path, proc: Recorded) -> list[tuple[str, str]]:
    return [(user.name, user.how) for user in engine_processes(str(root), proc=str(proc))]


def test_a_quiet_host_gives_stopped(root: Path, proc: Recorded) -> None:
    assert "stopped" == look(str(root), proc=str(proc)).state


def test_a_lock_makes_the_root_live_with_the_words_of_the_process(root: Path, proc: Recorded) -> None:
    proc.process(42, "/usr/bin/dockerd", "--data-root", str(root))
    proc.lock(42, root / METADATA)
    expected = f"dockerd (pid 42) holds the lock on volumes/metadata.db and runs with data root {root}"
    assert expected == look(str(root), proc=str(proc)).why


def test_who_waits_for_a_lock_does_not_hold_it(root: Path, proc: Recorded) -> None:
    proc.process(42, "backup")
    proc.lock(42, root / METADATA, mark="-> ")
    assert "stopped" == look(str(root), proc=str(proc)).state


def test_a_lock_whose_owner_has_ended_still_counts(root: Path, proc: Recorded) -> None:
    proc.lock(43, root / METADATA)
    view = look(str(root), proc=str(proc))
    assert ("live", "a process that has ended") == (view.state, view.users[0].name)


def test_a_lock_that_the_mount_names_by_another_device_is_found_through_the_open_file(root: Path, proc: Recorded) -> None:
    proc.mount(f"2 1 0:77 / {root} rw - btrfs /dev/vdb rw,subvolid=256")
    proc.process(42, "dockerd", "--data-root", "/elsewhere", fd_7=str(root / METADATA))
    proc.lock(42, root / METADATA, dev="00:4d")
    assert "live" == look(str(root), proc=str(proc)).state


def test_a_lock_that_was_handed_on_to_a_child_counts_for_the_child(root: Path, proc: Recorded) -> None:
    proc.mount(f"2 1 0:77 / {root} rw - btrfs /dev/vdb rw,subvolid=256")
    proc.process(44, "helper", fd_7=str(root / METADATA))
    proc.lock(42, root / METADATA, dev="00:4d")
    assert [44] == [user.pid for user in look(str(root), proc=str(proc)).users]


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda proc: proc.away("locks"), "/locks cannot be read (No such file or directory)"),
        (lambda proc: proc.away("1/mountinfo").mkdir(), "mountinfo cannot be read (Is a directory)"),
        (lambda proc: proc.away("self").symlink_to("1"), "belongs to another PID namespace"),
        (lambda proc: proc.away("self/ns/pid").symlink_to("pid:[4026532000]"), "PID namespace of its own"),
        (lambda proc: (proc.proc / "1").rename(proc.proc / "2"), "hides processes"),
        (lambda proc: proc.away("self/mountinfo").write_text("\n"), "is not in"),
        (lambda proc: proc.away("self"), "/self cannot be read"),
    ],
)
def test_unread_is_unknown(root: Path, proc: Recorded, break_it: Callable[[Recorded], object], words: str) -> None:
    (proc.proc / "1/root").unlink()  # init seals its links off, so that its mounts are asked for by themselves
    break_it(proc)
    view = look(str(root), proc=str(proc))
    assert ("unknown", True) == (view.state, words in view.why)


def test_engine_processes_refuses_where_processes_are_hidden(root: Path, proc: Recorded) -> None:
    (proc.proc / "1").rename(proc.proc / "2")
    with pytest.raises(Refused, match="hidepid"):
        engine_processes(str(root), proc=str(proc))


@pytest.mark.parametrize(
    "words", ["--data-root {}", "--data-root={}", "-g {}", "-g={}", "-g{}", "--graph={}/", "-g /x -g {}/.", "-D --graph {} -l x"]
)
def test_every_spelling_of_the_data_root_is_understood(root: Path, proc: Recorded, words: str) -> None:
    proc.process(42, "dockerd", *words.format(root).split())
    proc.process(43, "dockerd", "--data-root", "/elsewhere")
    assert [42] == [user.pid for user in engine_processes(str(root), proc=str(proc))]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("docker daemon -g {}", [42]),
        ("docker -d -g {}", [42]),
        ("docker run -d -g {}", []),
        ("/opt/dockerd-28.5.2 --data-root {}", [42]),
        ("balenad --data-root {}", [42]),
        ("vim --data-root {}", []),
        ("containerd --root {}/containerd/daemon", [42]),
        ("docker-containerd -l unix:///x.sock --root /var/lib/containerd", []),
    ],
)
def test_what_only_sounds_like_an_engine_is_none(root: Path, proc: Recorded, command: str, expected: list[int]) -> None:
    proc.process(42, *command.format(root).split())
    assert expected == [user.pid for user in engine_processes(str(root), proc=str(proc))]


@pytest.mark.parametrize("key", ["data-root", "graph"])
def test_the_data_root_is_read_from_the_configuration_file(root: Path, proc: Recorded, tmp_path: Path, key: str) -> None:
    config = tmp_path / "daemon.json"
    config.write_text(json.dumps({key: str(root), "debug": True}))
    proc.process(42, "dockerd", "--config-file", str(config))
    proc.process(43, "dockerd", "--config-file", "daemon.json", cwd=str(tmp_path))
    proc.process(44, "dockerd", "--config-file", f"{config}.not")
    assert [42, 43] == [user.pid for user in engine_processes(str(root), proc=str(proc))]


@pytest.mark.parametrize("text", [b'\xef\xbb\xbf{"data-root": "%b"}', b'{"data-root": "%b", "labels": ["owner=J\xf6rg"]}'])
def test_a_configuration_is_read_as_the_engine_reads_it(root: Path, proc: Recorded, tmp_path: Path, text: bytes) -> None:
    (tmp_path / "daemon.json").write_bytes(text % str(root).encode())
    proc.process(42, "dockerd", "--config-file", str(tmp_path / "daemon.json"))
    assert [42] == [user.pid for user in engine_processes(str(root), proc=str(proc))]


def test_a_configuration_that_is_not_json_leaves_the_default(proc: Recorded, tmp_path: Path) -> None:
    (tmp_path / "daemon.json").write_text("[1")
    proc.process(42, "dockerd", "--config-file", str(tmp_path / "daemon.json"))
    (process,) = (process for process in hostproc.processes(str(proc)) if process.pid == 42)
    assert "/var/lib/docker" == hostengine.data_root(process)


def test_a_rootless_engine_works_in_its_home(root: Path, proc: Recorded, tmp_path: Path) -> None:
    folder = proc.process(42, "dockerd")
    (folder / "environ").write_text(f"ROOTLESSKIT_STATE_DIR=/run/x\0HOME={tmp_path}\0")
    (tmp_path / ".local/share").mkdir(parents=True)
    (tmp_path / ".local/share/docker").symlink_to(root)
    assert [("dockerd", f"runs with data root {tmp_path}/.local/share/docker")] == uses(root, proc)


def test_the_root_of_a_containerd_is_read_from_its_configuration(root: Path, proc: Recorded, tmp_path: Path) -> None:
    config = tmp_path / "containerd.toml"
    config.write_text(f'version = 2\nroot = "{root}/containerd/daemon"\nstate = "/run/x"\n')
    proc.process(42, "containerd", "--config", str(config), "--log-level", "info")
    assert [("containerd", f"runs with root {root}/containerd/daemon")] == uses(root, proc)


def test_an_engine_belongs_to_the_userns_remap_root_in_its_own(root: Path, proc: Recorded) -> None:
    (root / "100000.100000").mkdir()
    (root / "other").mkdir()
    proc.process(42, "dockerd", "--data-root", str(root))
    assert (1, 0) == (len(uses(root / "100000.100000", proc)), len(uses(root / "other", proc)))


def test_an_engine_with_a_file_of_the_root_open_uses_it(root: Path, proc: Recorded) -> None:
    proc.process(42, "dockerd", "--data-root", "/elsewhere", fd_9=f"{root}/trash/gone (deleted)")
    proc.process(43, "less", fd_9=f"{root}/trash/log")
    assert [("dockerd", "has trash/gone open")] == uses(root, proc)


def test_shims_that_outlived_the_engine_leave_the_root_stopped_with_its_mounts_held(root: Path, proc: Recorded) -> None:
    proc.process(50, "/usr/bin/containerd-shim-runc-v2", "-namespace", "moby", "-id", ID)
    proc.process(51, "/usr/bin/containerd-shim-runc-v2", "-namespace", "moby", "-id", "cd" * 32)
    home = root / "overlay2"
    options = f"rw,lowerdir={home}/l/AAA:{home}/l/BBB,upperdir={home}/x/diff,workdir={home}/x/work"
    proc.process(52, "sleep", mounts=[f"9 1 0:88 / / rw - overlay overlay {options}"])
    view = look(str(root), proc=str(proc))
    assert ("stopped", [50]) == (view.state, [user.pid for user in view.users])
    assert {"overlay2/l/AAA", "overlay2/l/BBB", "overlay2/x/diff", "overlay2/x/work"} == view.held
    outlived = "no engine runs on this data root, but containers outlived it: containerd-shim (pid 50) runs container"
    assert f"{outlived} {ID[:12]}; 4 paths below it are mounted or open, such as overlay2/l/AAA" == view.why


def test_a_bind_mount_in_a_container_holds_its_source_and_what_the_container_opens_there(root: Path, proc: Recorded) -> None:
    lines = ["9 1 0:88 / / rw - overlay overlay rw", f"10 9 {proc.device} {root}/volumes/v/_data /data rw - ext4 /dev/vda rw"]
    proc.process(52, "postgres", mounts=lines, fd_3="/data/base/1", fd_4="/etc/passwd")
    assert {"volumes/v/_data", "volumes/v/_data/base/1"} == look(str(root), proc=str(proc)).held


def test_an_engine_in_a_container_names_paths_of_its_own_namespace(root: Path, proc: Recorded) -> None:
    home = "/var/lib/docker/overlay2"
    options = f"lowerdir={home}/l/AAA,upperdir={home}/x/diff,workdir={home}/x/work"
    outer = f"9 1 {proc.device} {root} /var/lib/docker rw - ext4 /dev/vda rw"
    proc.process(52, "sh", mounts=[outer, f"10 9 0:90 / {home}/x/merged rw - overlay overlay {options}"])
    expected = {"overlay2/l/AAA", "overlay2/x/diff", "overlay2/x/work", "overlay2/x/merged"}
    assert expected == look(str(root), proc=str(proc)).held


def test_what_is_bound_from_a_disk_that_is_mounted_below_the_root_is_held(root: Path, proc: Recorded) -> None:
    proc.mount(f"2 1 8:17 / {root}/volumes rw - xfs /dev/sdb1 rw")
    proc.process(52, "sh", mounts=["9 1 8:17 /v/_data /data rw - xfs /dev/sdb1 rw"])
    view = look(str(root), proc=str(proc))
    assert (frozenset({"volumes"}), frozenset({"volumes/v/_data"})) == (view.mount_points, view.held)


def test_the_branches_of_an_aufs_mount_are_held(root: Path, proc: Recorded, tmp_path: Path) -> None:
    folder = tmp_path / "sys/fs/aufs/si_1f"
    folder.mkdir(parents=True)
    (folder / "br0").write_text(f"{root}/aufs/diff/a=rw\n")
    (folder / "br1").write_text(f"{root}/aufs/diff/b=ro+wh\n")
    (folder / "brid0").write_text("64\n")
    proc.mount(f"2 1 0:70 / {root}/aufs/mnt/a rw - aufs none rw,si=1f,dio")
    assert {"aufs/mnt/a", "aufs/diff/a", "aufs/diff/b"} == look(str(root), proc=str(proc)).held


def test_a_process_whose_first_thread_has_ended_is_looked_at_through_another(root: Path, proc: Recorded) -> None:
    folder = proc.process(60, "dd", fd_3=f"{root}/overlay2/x/diff/f")
    (folder / "task").mkdir()
    (folder / "ns").rename(proc.proc / "ns")
    folder.rename(proc.proc / "61")
    (proc.proc / "60/task").mkdir(parents=True)
    (proc.proc / "60/cmdline").write_text("")
    (proc.proc / "61").rename(proc.proc / "60/task/61")
    assert {"overlay2/x/diff/f"} == look(str(root), proc=str(proc)).held


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("lowerdir=/a:/b,upperdir=/c,workdir=/d", ["/a", "/b", "/c", "/d"]),
        (r"lowerdir=/a\040b\072c:/d\054e", ["/a b:c", "/d,e"]),
        (r"lowerdir=/a\134:b:/c", [r"/a\:b", "/a:b", "/c"]),
        ("lowerdir+=/a,lowerdir+=/b,datadir+=/c", ["/a", "/b", "/c"]),
        ("lowerdir=/a::/b,index=off", ["/a", "/b"]),
        ("lowerdir=l/A:l/B,upperdir=x/diff", ["l/A", "l/B", "x/diff"]),
    ],
)
def test_the_folders_of_an_overlay_mount_are_read_in_every_spelling(options: str, expected: list[str]) -> None:
    assert expected == list(hostmounts.overlay_dirs(options))


def test_lines_of_mountinfo_are_read_with_any_number_of_optional_fields() -> None:
    text = (
        "36 35 98:0 /a\\040b//deleted /mnt\\011x rw - ext4 /dev/x rw\n"
        "37 35 98:0 / /y rw shared:1 master:2 - xfs  rw,a=-\nshort line\n"
    )
    expected = ((36, "98:0", "/a b", "/mnt\tx", "ext4", "rw"), (37, "98:0", "/", "/y", "xfs", "rw,a=-"))
    assert expected == tuple(msgspec.structs.astuple(each) for each in hostmounts.mount_table(text))
