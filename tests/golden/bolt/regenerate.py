"""Writes the files of this folder anew, with the program built from boltsays.go: python regenerate.py PROGRAM."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import zstandard

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "corpora"))

import databases as known

CASES = 600


def main(program: str) -> None:
    for name in known.ALL:
        write(name, dumped(program, known.databases(name)))
    write("verdicts", verdicts(program))


def dumped(program: str, files: dict[str, bytes]) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as place:
        paths = [Path(place, str(number)) for number in range(len(files))]
        for path, data in zip(paths, files.values(), strict=True):
            path.write_bytes(data)
        done = subprocess.run([program, "dump", *paths], check=True, capture_output=True, text=True)
    return dict(zip(files, map(json.loads, done.stdout.splitlines()), strict=True))


def verdicts(program: str) -> list[list[str]]:
    """For each damaged database, by number: the first digits of its digest, what `bbolt check` and an owner's opening end with."""
    with tempfile.TemporaryDirectory() as place:
        for number in range(CASES):
            Path(place, str(number)).write_bytes(known.mutated(number))
        done = subprocess.run([program, "verdicts", place], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    return [[known.digest(known.mutated(number)), *found[str(number)]] for number in range(CASES)]


def write(name: str, document: object) -> None:
    text = json.dumps(document, separators=(",", ":")).encode()
    (HERE / f"{name}.json.zst").write_bytes(zstandard.ZstdCompressor(level=19).compress(text))


if __name__ == "__main__":
    main(sys.argv[1])
