"""Opens, reads and checks many damaged databases in a process that may not grow; prints what happened as JSON."""

import json
import resource
import sys
import time

from databases import bases, mutated

from docker_fsck import bolt

ROOM = 64 << 20


def judge(data: bytes) -> str:
    """Read all of it. Only `BoltError` may come out, and `check` must know what the reader refuses."""
    problems = bolt.check(data)
    try:
        count(bolt.open_bytes(data).root)
    except bolt.BoltError as error:
        return "refused" if str(error) in problems else f"check does not know: {error}"
    return "read"


def count(bucket: bolt.Bucket) -> int:
    return sum(count(value) if isinstance(value, bolt.Bucket) else 1 for _, value in bucket.items())


def main(first: int, last: int) -> None:
    bases()
    judge(mutated(first))
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, size + ROOM))
    ends: dict[str, int] = {}
    slowest = 0.0
    for number in range(first, last):
        data = mutated(number)
        start = time.process_time()
        try:
            end = judge(data)
        except BaseException as error:  # noqa: BLE001 - a crash of any kind is what is looked for
            end = f"{number}: {type(error).__name__}: {error}"
        slowest = max(slowest, time.process_time() - start)
        ends[end] = ends.get(end, 0) + 1
    print(json.dumps({"ends": ends, "slowest": slowest}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
