"""Merkle trees (RFC 6962): one hash for many rows, and short proofs that a row is one of them or that rows were added.

A proof ties a leaf to a root *for trees of a size that is known*: whoever publishes a root publishes the size with it,
as a certificate log does. Leaves and inner nodes are hashed apart, so that none can be shown as the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from stealproof.errors import EvidenceError, InputError

HASH = 32
"""Bytes of a root and of each step of a proof."""


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """The root over ``leaves``, in their order; there may be none."""
    return _levels(leaves)[-1][0] if leaves else hashlib.sha256().digest()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The hashes beside the way from leaf ``index`` to the root, lowest first.

    Raises:
        InputError: there is no such leaf.
    """
    return inclusion_proofs(leaves, [index])[0]


def inclusion_proofs(leaves: Sequence[bytes], indices: Sequence[int]) -> list[tuple[bytes, ...]]:
    """A proof for each of ``indices``; all of them hash the leaves only once.

    Raises:
        InputError: there is no such leaf.
    """
    for index in indices:
        if not 0 <= index < len(leaves):
            raise InputError(f"there is no leaf {index} among {len(leaves)}; count from 0")
    levels = _levels(leaves)
    return [
        tuple(level[beside] for height, level in enumerate(levels) if (beside := index >> height ^ 1) < len(level))
        for index in indices
    ]


def consistency_proof(leaves: Sequence[bytes], first_size: int) -> tuple[bytes, ...]:
    """The hashes that prove that the tree over ``leaves`` begins with the tree over the first ``first_size`` of them.

    Raises:
        InputError: no leaf, or more than there are.
    """
    if not 1 <= first_size <= len(leaves):
        raise InputError(f"expected from 1 to {len(leaves)} leaves of the earlier tree, got {first_size}")
    proof, whole = list[bytes](), True
    while first_size < len(leaves):
        left = _left(len(leaves))
        if first_size <= left:
            proof.append(tree_root(leaves[left:]))
            leaves = leaves[:left]
        else:
            # The earlier tree's root is no node of this one any more.
            proof.append(tree_root(leaves[:left]))
            leaves, first_size, whole = leaves[left:], first_size - left, False
    if not whole:
        proof.append(tree_root(leaves))
    return tuple(reversed(proof))


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Accept ``leaf`` as number ``index``, from 0, of the ``size`` leaves under ``root``.

    Raises:
        EvidenceError: the proof does not show that.
    """
    _check_hashes(proof, root)
    if not 0 <= index < size:
        raise EvidenceError(f"there is no leaf {index} in a tree of {size}")
    found, last = _leaf(leaf), size - 1
    steps = iter(proof)
    while last:
        if index % 2 or index < last:
            beside = next(steps, b"")
            found = _node(beside, found) if index % 2 else _node(found, beside)
        index, last = index // 2, last // 2
    if next(steps, None) is not None or found != root:
        raise EvidenceError("the leaf is not under this root: it, its number, the proof or the root was changed")


def check_consistency(
    first_size: int, second_size: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes
) -> None:
    """Accept that the ``second_size`` leaves under ``second_root`` begin with the ones under ``first_root``.

    Raises:
        EvidenceError: the proof does not show that.
    """
    _check_hashes(proof, first_root, second_root)
    if not 1 <= first_size <= second_size:
        raise EvidenceError(f"a tree of {second_size} leaves can't continue one of {first_size}")
    # Nothing is left to show where nothing was added.
    index, last = (first_size - 1, second_size - 1) if first_size < second_size else (0, 0)
    # Upwards for as long as the earlier tree is complete: up to there it is one node of the later one.
    while index % 2:
        index, last = index // 2, last // 2
    steps = iter(proof)
    first = second = next(steps, b"") if index else first_root
    while last:
        if index % 2:
            beside = next(steps, b"")
            first, second = _node(beside, first), _node(beside, second)
        elif index < last:
            second = _node(second, next(steps, b""))
        index, last = index // 2, last // 2
    if next(steps, None) is not None or (first, second) != (first_root, second_root):
        raise EvidenceError("the later tree does not continue the earlier one: sizes, proof or roots were changed")


def _levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Hashes of the leaves, of pairs, of pairs of pairs, up to the root; one without a partner rises as it is.

    That is the tree of RFC 6962, which splits at the largest power of two below its size.
    """
    levels = [[_leaf(leaf) for leaf in leaves]]
    while len(level := levels[-1]) > 1:
        pairs = [_node(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
        levels.append(pairs + level[2 * len(pairs) :])
    return levels


def _left(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1


def _leaf(content: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + content).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _check_hashes(proof: Sequence[bytes], *roots: bytes) -> None:
    for content in (*proof, *roots):
        if len(content) != HASH:
            raise EvidenceError(f"a root or a step of a Merkle proof has {HASH} bytes, got {len(content)}")
