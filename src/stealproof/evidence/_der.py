"""Just enough DER (ITU-T X.690) to walk through a timestamp token: definite, shortest lengths and small tags only."""

from __future__ import annotations

from dataclasses import dataclass

SEQUENCE, SET, INTEGER, OCTETS, OID, UTF8 = 0x30, 0x31, 0x02, 0x04, 0x06, 0x0C


@dataclass(frozen=True, slots=True)
class Node:
    """One value: its tag, its content, and both with the length between them as they were found."""

    tag: int
    body: bytes
    raw: bytes

    def items(self, tag: int) -> list[Node]:
        """The values inside this one, which must have this ``tag``; ``ValueError`` otherwise."""
        if self.tag != tag:
            raise ValueError(f"expected the tag {tag:#x}, found {self.tag:#x}")
        return nodes(self.body)

    def content(self, tag: int) -> bytes:
        """The content of this value, which must have this ``tag``; ``ValueError`` otherwise."""
        if self.tag != tag:
            raise ValueError(f"expected the tag {tag:#x}, found {self.tag:#x}")
        return self.body


def nodes(content: bytes) -> list[Node]:
    """The values that stand one after another in ``content``, with nothing left over; ``ValueError`` otherwise."""
    found, start = [], 0
    while start < len(content):
        end, body = _extent(content, start)
        found.append(Node(content[start], content[body:end], content[start:end]))
        start = end
    return found


def encode(tag: int, *parts: bytes) -> bytes:
    """One value with this tag and these contents, joined."""
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + body


def _extent(content: bytes, start: int) -> tuple[int, int]:
    """Where the value that begins at ``start`` ends, and where its content begins."""
    if content[start] & 0x1F == 0x1F or start + 1 == len(content):
        raise ValueError("a tag of several bytes, or one without a length")
    length, body = content[start + 1], start + 2
    if length >= 0x80:
        size = content[body : body + length - 0x80]
        body, length = body + len(size), int.from_bytes(size, "big")
        # Another way to write the same length would be another token with the same meaning. 0x80 alone is BER's "until
        # the end mark", and comes out as zero.
        if length < 0x80 or size[0] == 0:
            raise ValueError("a length that is not the shortest one")
    if body + length > len(content):
        raise ValueError("a value that goes on after the end")
    return body + length, body
