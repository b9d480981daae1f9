"""Where CBOR items begin and end, so that stored bytes can be kept as they lie there.

Values are decoded by cbor2; this module only measures (RFC 8949, section 3).
"""

from __future__ import annotations

from typing import Final

from git_session.errors import WireError

MAX_DEPTH: Final = 128
"""How deep arrays may nest; grite's own events nest four deep."""

MAX_ITEMS: Final = 1_000_000
"""Items in an event, and events in a chunk; decoded they take up to a hundred times their bytes."""

_OPEN_END: Final = -1
_BREAK: Final = 0xFF


def end_of_item(data: bytes, start: int) -> int:
    """Find the offset just past the CBOR item that begins at `start`.

    Raises WireError when the item is cut short, claims more than there is, nests deeper
    than MAX_DEPTH, holds more than MAX_ITEMS, or is no CBOR.
    """
    at = start
    to_come = [1]
    for _ in range(MAX_ITEMS):
        if not to_come:
            return at
        if to_come[-1] == 0:
            to_come.pop()
            continue
        if at >= len(data):
            raise WireError("CBOR ends in the middle of an item")
        if data[at] == _BREAK:
            if to_come[-1] != _OPEN_END:
                raise WireError("CBOR break outside an open-ended item")
            to_come.pop()
            at += 1
            continue
        if to_come[-1] > 0:
            to_come[-1] -= 1
        major = data[at] >> 5
        value, at = _read_head(data, at)
        at = _enter(data, major, value, at, to_come)
        if len(to_come) > MAX_DEPTH:
            raise WireError(f"CBOR nests deeper than {MAX_DEPTH}")
    raise WireError(f"CBOR holds more than {MAX_ITEMS} items in one")


def split_array(data: bytes, start: int = 0) -> tuple[list[bytes], int]:
    """Cut the CBOR array at `start` into the byte slices of its items, and find its end.

    Raises WireError as end_of_item does, or when there is no array at `start`.
    """
    if start >= len(data) or data[start] >> 5 != 4:
        raise WireError("CBOR holds no array where one should be")
    count, at = _read_head(data, start)
    if count is not None and count > MAX_ITEMS:
        raise WireError(f"CBOR array claims more than {MAX_ITEMS} items")
    items: list[bytes] = []
    while count is None or len(items) < count:
        if count is None and at < len(data) and data[at] == _BREAK:
            at += 1
            break
        if len(items) == MAX_ITEMS:
            raise WireError(f"CBOR array has more than {MAX_ITEMS} items")
        end = end_of_item(data, at)
        items.append(data[at:end])
        at = end
    return items, at


def encode_array_header(count: int) -> bytes:
    """Encode the shortest header of an array of `count` items."""
    if count < 24:
        return bytes([0x80 | count])
    for code, width in ((24, 1), (25, 2), (26, 4)):
        if count < 1 << (8 * width):
            return bytes([0x80 | code]) + count.to_bytes(width, "big")
    return b"\x9b" + count.to_bytes(8, "big")


def _read_head(data: bytes, at: int) -> tuple[int | None, int]:
    info = data[at] & 0x1F
    if info < 24:
        return info, at + 1
    if info < 28:
        end = at + 1 + (1 << (info - 24))
        if end > len(data):
            raise WireError("CBOR ends in the middle of a length")
        return int.from_bytes(data[at + 1 : end], "big"), end
    if info == 31 and data[at] >> 5 in (2, 3, 4, 5):
        return None, at + 1
    raise WireError(f"CBOR has no item that begins with byte {data[at]:#04x}")


def _enter(data: bytes, major: int, value: int | None, at: int, to_come: list[int]) -> int:
    """Step over a string, or note how many items an array, map or tag still owes."""
    if major in (2, 3):
        if value is None:
            to_come.append(_OPEN_END)
            return at
        if value > len(data) - at:
            raise WireError("CBOR string claims more bytes than there are")
        return at + value
    if major in (4, 5):
        if value is None:
            to_come.append(_OPEN_END)
            return at
        if value > len(data) - at:
            raise WireError("CBOR array claims more items than there are bytes")
        to_come.append(value * (major - 3))
    elif major == 6:
        to_come.append(1)
    return at
