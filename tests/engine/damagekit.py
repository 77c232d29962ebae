"""A root with every kind of file that the engine writes, and all that the engine answers about it, as values."""

import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dockerd import Engine, builder
from population import Populated
from repairkit import KEEPS, view

sys.path.append(str(Path(__file__).parents[1] / "corpora"))

from damage_kinds import Site

PASSING = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-][\d:]+)|\"Sandbox(ID|Key)\": \"[^\"]*\"")
OPTIONS = ("--label", "of=tests", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m")
STEPS = "FROM shop:1\nRUN echo built > /built\nRUN --mount=type=cache,target=/cache echo cached > /also\n"
LIST = "find / -xdev -type f ! -path '/proc/*' ! -path '/sys/*' ! -path '/etc/host*' | sort | xargs md5sum"
Answers = dict[str, object]


def furnish(made: Populated) -> Site:
    """Puts into a stopped root what it lacks: notes of a tag, a volume with options, a log, a past build. Stops the engine."""
    engine = made.engine
    engine.start()
    worker = engine.run("worker", "lone:1", "sh", "-c", f"echo said; {KEEPS[-1]}")
    engine.docker("tag", "lone:1", "again:1")
    engine.docker("volume", "create", *OPTIONS, "options")
    if builder():
        context = context_of(engine)
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(STEPS)
        engine.buildkit(context, "-t", "built:1")
    image = dict(engine.images())["lone:1"]
    engine.stop()
    return Site(engine.root, engine.driver, image, worker)


def context_of(engine: Engine) -> Path:
    """What `built:1` is built of."""
    return engine.root.with_name("context")


def answers(engine: Engine) -> Answers:
    """All that a running engine answers. Every container is started, and one more of every image is made and removed."""
    tags = sorted(reference for reference, _ in engine.images() if reference != "<none>:<none>")
    images, names, volumes = sorted({image for _, image in engine.images()}), sorted(engine.ps()), sorted(engine.volumes())
    said: Answers = {"images": engine.images(), "containers": engine.ps(), "volumes": volumes}
    commands = [("image", "inspect", image) for image in images] + [
        ("history", "--no-trunc", "-H=false", image) for image in images
    ]
    commands += [("logs", name) for name in names] + [("volume", "inspect", name) for name in volumes]
    commands += [("network", "ls", "--format", "{{.Name}} {{.Driver}}"), ("plugin", "ls")]
    commands += [("run", "--rm", "--network", "none", image, "sh", "-c", LIST) for image in images]
    with ThreadPoolExecutor(2) as pool:
        said |= zip((f"start {name}" for name in names), pool.map(lambda name: view(engine, name), names), strict=True)
        said |= zip((f"save {tag}" for tag in tags), pool.map(engine.save_digests, tags), strict=True)
        said |= zip(
            (" ".join(words) for words in commands), pool.map(lambda words: spoken(engine, *words), commands), strict=True
        )
        after = [(word, name) for name in names for word in ("inspect", "diff")]
        said |= zip((" ".join(words) for words in after), pool.map(lambda words: spoken(engine, *words), after), strict=True)
    if builder():
        for words in ((), ("--no-cache",)):
            done = engine.buildkit(context_of(engine), "-q", *words, check=False)
            said[" ".join(("build", *words))] = (done.returncode, done.stderr[-300:] if done.returncode else "")
    return said


def spoken(engine: Engine, *words: str) -> tuple[int, list[str]]:
    """How a command ends and what it prints, its errors too, less what passes; sorted, since some orders are chance."""
    done = engine.docker(*words, check=False)
    return done.returncode, sorted(PASSING.sub("…", done.stdout + done.stderr).splitlines())


def differences(before: Answers, after: Answers) -> dict[str, tuple[object, object]]:
    """By question what was answered otherwise."""
    return {key: (before.get(key), after.get(key)) for key in sorted(before.keys() | after) if before.get(key) != after.get(key)}


def until(engine: Engine, *words: str, seconds: float = 30.0) -> tuple[int, list[str]]:
    """What a command says as soon as it succeeds: a manager that was just started has to choose itself first."""
    deadline = time.monotonic() + seconds
    while (said := spoken(engine, *words))[0] and time.monotonic() < deadline:
        time.sleep(0.2)
    return said
