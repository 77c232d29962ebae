"""The laws of the house that a machine can check: two doors, sizes, docstrings of rules, one place for each list."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2]
SOURCES = sorted(path for top in ("fsck", "plugins") for path in (HOME / top).rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 300, 50

WRITING = {
    "unlink", "remove", "rmdir", "removedirs", "rename", "renames", "replace", "rmtree", "move", "link", "symlink", "mkdir", "makedirs",
    "mknod", "mkfifo", "truncate", "ftruncate", "chmod", "fchmod", "chown", "fchown", "lchown", "utime", "setxattr", "removexattr",
    "write_bytes", "write_text", "touch", "hardlink_to", "symlink_to", "posix_fallocate",
}  # fmt: skip
"""Names of functions and methods that change a file system."""

DOORS = {
    "fsck/docker_fsck/apply": "the package that writes the data root",
    "fsck/docker_fsck/testing": "makes and breaks roots for tests",
    "fsck/docker_fsck/cli/demo.py": "makes the demo's own root",
}
HARMLESS = {
    "replace": "str.replace, datetime.replace and msgspec.structs.replace are no file systems'",
    "remove": "list.remove and set.remove are no file systems'",
    "link": "Home.link tells a short name",
}


def _calls(tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    """Receiver, name and line of every call of an attribute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield ast.unparse(node.func.value), node.func.attr, node.lineno


def test_only_the_writing_package_calls_anything_that_writes() -> None:
    found = []
    for path in SOURCES:
        name = path.relative_to(HOME).as_posix()
        if any(name.startswith(door) for door in DOORS):
            continue
        for receiver, method, line in _calls(ast.parse(path.read_text())):
            if method in WRITING and not (method in HARMLESS and receiver not in {"os", "shutil", "pathlib"}):
                found.append(f"{name}:{line} {receiver}.{method}")
    allowed = {"fsck/docker_fsck/reports/files.py", "fsck/docker_fsck/cli/plans.py", "fsck/docker_fsck/verify/memory.py"}
    assert [each for each in found if each.partition(":")[0] not in allowed] == []


def test_only_purge_deletes_inside_the_writing_package_and_staging_what_it_did_not_finish() -> None:
    found = set()
    for path in SOURCES:
        if "apply" in path.parts:
            for _, method, _ in _calls(ast.parse(path.read_text())):
                if method in {"unlink", "rmdir", "rmtree", "remove", "removedirs"}:
                    found.add(path.name)
    assert found <= {"purge.py", "staging.py"}


def test_only_purge_deletes_a_subvolume_and_the_reader_alone_asks_for_its_age() -> None:
    found = {
        path.name
        for path in SOURCES
        if "testing" not in path.parts
        for _, method, _ in _calls(ast.parse(path.read_text()))
        if method == "ioctl"
    }
    assert found == {"purge.py", "fdread.py"}


def test_no_subprocess_and_no_shell_in_the_product() -> None:
    found = []
    for path in SOURCES:
        if "testing" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{path.name}: {name}" for name in names if name.split(".")[0] in {"subprocess", "pty"}]
    assert found == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(HOME).as_posix())
def test_a_file_and_its_functions_keep_to_the_house_numbers(path: Path) -> None:
    text = path.read_text()
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    too_long = [node.name for node in functions if (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION]
    assert (text.count("\n") <= LONGEST_FILE, too_long) == (True, [])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(HOME).as_posix())
def test_a_module_says_what_lives_in_it(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())) is not None
