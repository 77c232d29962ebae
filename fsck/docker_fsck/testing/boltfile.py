"""Makes small bbolt databases as bytes for fixtures; equal trees give equal bytes, and no file is touched.

The format is buildkit-and-containerd-store 1.2. What comes out is what bbolt itself could have written after one
transaction: it opens, checks and goes on writing in it.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from docker_fsck import bolt

PAGE_SIZE = 4096
SMALLEST_FILE = 32768

_HEADER = struct.Struct("<QHHI")
_ELEMENT = 16


class Sequenced(msgspec.Struct, frozen=True):
    """A bucket with a counter that is not 0, as containerd's snapshotters keep it."""

    sequence: int
    tree: Mapping[Any, Any]


class _Item(msgspec.Struct, frozen=True):
    """An element of a leaf (`number` = 1 for a bucket) or of a branch (`number` = the child, no value)."""

    key: bytes
    number: int
    value: bytes = b""

    @property
    def size(self) -> int:
        return _ELEMENT + len(self.key) + len(self.value)


def build(tree: Mapping[Any, Any], *, page_size: int = PAGE_SIZE, txid: int = 2, free: int = 0) -> bytes:
    """A database with the content of `tree`: keys and values are `bytes` or `str`, a mapping or `Sequenced` is a bucket.

    Page 2 is the freelist with the `free` last pages in it. Both metas tell of the same content; `txid` is that of the
    newer one. Zero pages follow up to a power of two, as in the engines' files. Raises ValueError for an empty or
    repeated key and for more free pages than one page can list, TypeError for a value that is none.
    """
    pages = _Pages(page_size)
    freelist = pages.reserve()
    root = pages.tree(_items(pages, tree))
    lost = [pages.reserve() for _ in range(free)]
    pages.fill(freelist, bolt.FREELIST, len(lost), b"".join(number.to_bytes(8, "little") for number in lost))
    high_water = bolt.FIRST_PAGE + len(pages.images)
    in_order = sorted((txid, txid - 1), key=lambda number: number % 2)
    metas = [meta(number, root=root, freelist=freelist, high_water=high_water, page_size=page_size) for number in in_order]
    data = b"".join(metas + pages.images)
    return data.ljust(max(SMALLEST_FILE, 1 << (len(data) - 1).bit_length()), b"\0")


def meta(txid: int, *, root: int, freelist: int, high_water: int, page_size: int = PAGE_SIZE) -> bytes:
    """A whole meta page as transaction `txid` writes it, with its checksum; its number is 0 for an even one, else 1."""
    head = struct.pack("<IIIIQQQQQ", bolt.MAGIC, bolt.VERSION, page_size, 0, root, 0, freelist, high_water, txid)
    page = _HEADER.pack(txid % 2, bolt.META, 0, 0) + head + bolt.checksum(head).to_bytes(8, "little")
    return page.ljust(page_size, b"\0")


class _Pages:
    """The pages behind the metas, in the order of their numbers; an image may be several physical pages long."""

    def __init__(self, page_size: int) -> None:
        self.page_size = page_size
        self.images: list[bytes] = []

    def reserve(self) -> int:
        """The number of one more page, still empty."""
        self.images.append(bytes(self.page_size))
        return bolt.FIRST_PAGE + len(self.images) - 1

    def fill(self, number: int, kind: int, count: int, body: bytes) -> None:
        """Give the reserved page `number` its content."""
        if _HEADER.size + len(body) > self.page_size:
            message = f"{len(body)} bytes do not fit in page {number}"
            raise ValueError(message)
        self.images[number - bolt.FIRST_PAGE] = (_HEADER.pack(number, kind, count, 0) + body).ljust(self.page_size, b"\0")

    def add(self, kind: int, items: list[_Item]) -> int:
        """A new page with these elements, and overflow pages if it must; its number."""
        body = _body(kind, items)
        number = bolt.FIRST_PAGE + len(self.images)
        overflow = (_HEADER.size + len(body) - 1) // self.page_size
        image = (_HEADER.pack(number, kind, len(items), overflow) + body).ljust((overflow + 1) * self.page_size, b"\0")
        self.images += [image[at : at + self.page_size] for at in range(0, len(image), self.page_size)]
        return number

    def tree(self, items: list[_Item]) -> int:
        """Pages for these elements of a bucket, leaves first; the number of the root."""
        numbers = [(group[0].key if group else b"", self.add(bolt.LEAF, group)) for group in self.groups(items, 1)]
        while len(numbers) > 1:
            children = [_Item(key, number) for key, number in numbers]
            numbers = [(group[0].key, self.add(bolt.BRANCH, group)) for group in self.groups(children, 2)]
        return numbers[0][1]

    def groups(self, items: list[_Item], least: int) -> list[list[_Item]]:
        """The elements dealt to pages in their order, at least `least` to a page even if it gets too long for that."""
        groups: list[list[_Item]] = [[]]
        used = _HEADER.size
        for item in items:
            if len(groups[-1]) >= least and used + item.size > self.page_size:
                groups.append([])
                used = _HEADER.size
            groups[-1].append(item)
            used += item.size
        if len(groups) > 1 and len(groups[-1]) < least:
            short = groups.pop()
            groups[-1] += short
        return groups


def _items(pages: _Pages, tree: Mapping[Any, Any]) -> list[_Item]:
    """The elements of a bucket in key order; the pages of the buckets in it are made on the way."""
    items: list[_Item] = []
    for key, value in sorted(_distinct(tree), key=lambda pair: pair[0]):
        match value:
            case Mapping():
                items.append(_Item(key, 1, _bucket(pages, value, 0)))
            case Sequenced():
                items.append(_Item(key, 1, _bucket(pages, value.tree, value.sequence)))
            case _:
                items.append(_Item(key, 0, _bytes(value)))
    return items


def _distinct(tree: Mapping[Any, Any]) -> Iterator[tuple[bytes, Any]]:
    """The entries with their keys as bytes; bbolt knows no empty key."""
    seen = {b""}
    for key, value in tree.items():
        if _bytes(key) in seen:
            message = f"a key that is empty or there twice: {key!r}"
            raise ValueError(message)
        seen.add(_bytes(key))
        yield _bytes(key), value


def _bucket(pages: _Pages, tree: Mapping[Any, Any], sequence: int) -> bytes:
    """The value of a bucket: inline if there are only values and little of them, by bbolt's measure a quarter page."""
    items = _items(pages, tree)
    if any(item.number for item in items) or _HEADER.size + sum(item.size for item in items) > pages.page_size // 4:
        return struct.pack("<QQ", pages.tree(items), sequence)
    return struct.pack("<QQ", 0, sequence) + _HEADER.pack(0, bolt.LEAF, len(items), 0) + _body(bolt.LEAF, items)


def _body(kind: int, items: list[_Item]) -> bytes:
    """What follows the page header: the table of elements, then keys and values in the same order."""
    table, content = [], []
    pos = _ELEMENT * len(items)
    for item in items:
        if kind == bolt.LEAF:
            table.append(struct.pack("<IIII", item.number, pos, len(item.key), len(item.value)))
        else:
            table.append(struct.pack("<IIQ", pos, len(item.key), item.number))
        content.append(item.key + item.value)
        pos += len(content[-1]) - _ELEMENT
    return b"".join(table + content)


def _bytes(text: object) -> bytes:
    match text:
        case bytes():
            return text
        case str():
            return text.encode()
        case _:
            message = f"neither bytes nor str, nor a bucket: {text!r}"
            raise TypeError(message)
