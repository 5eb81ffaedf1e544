"""Merkle trees as in RFC 6962: every proof verifies, and none shows what is not so."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stealproof.errors import EvidenceError, InputError
from stealproof.evidence.merkle import (
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    inclusion_proofs,
    tree_root,
)

# The leaves, roots and proofs with which Certificate Transparency tests its trees.
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 1): "",
    (0, 8): "96a296d2 5f083f0a 6b47aaf2",
    (5, 8): "bc1a0643 ca854ea1 d37ee418",
    (2, 3): "fac54203",
    (1, 5): "6e340b9c 5f083f0a bc1a0643",
}
CONSISTENCY = {
    (1, 1): "",
    (1, 8): "96a296d2 5f083f0a 6b47aaf2",
    (6, 8): "0ebc5d34 ca854ea1 d37ee418",
    (2, 5): "5f083f0a bc1a0643",
}
# All leaves differ, since equal ones may of course stand for each other.
TREES = st.lists(st.binary(max_size=8), min_size=1, max_size=40, unique=True)
HASHES = st.binary(min_size=32, max_size=32)


def heads(proof: tuple[bytes, ...]) -> str:
    return " ".join(step[:4].hex() for step in proof)


def by_definition(leaves: list[bytes]) -> bytes:
    """The recursive definition of RFC 6962, section 2.1."""
    if len(leaves) < 2:
        return hashlib.sha256(b"\x00" + leaves[0] if leaves else b"").digest()
    left = 1
    while 2 * left < len(leaves):
        left *= 2
    return hashlib.sha256(b"\x01" + by_definition(leaves[:left]) + by_definition(leaves[left:])).digest()


def way(index: int, size: int) -> str:
    """Left and right turns from the root to a leaf, by the same definition."""
    if size == 1:
        return ""
    left = 1
    while 2 * left < size:
        left *= 2
    return "l" + way(index, left) if index < left else "r" + way(index - left, size - left)


def test_roots_of_certificate_transparency() -> None:
    assert tree_root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert [tree_root(LEAVES[: n + 1]).hex() for n in range(8)] == ROOTS


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_proofs_of_certificate_transparency(index: int, size: int) -> None:
    proof = inclusion_proof(LEAVES[:size], index)
    assert heads(proof) == INCLUSION[index, size]
    check_inclusion(LEAVES[index], index, size, proof, bytes.fromhex(ROOTS[size - 1]))


@pytest.mark.parametrize(("first", "second"), CONSISTENCY)
def test_consistency_proofs_of_certificate_transparency(first: int, second: int) -> None:
    proof = consistency_proof(LEAVES[:second], first)
    assert heads(proof) == CONSISTENCY[first, second]
    check_consistency(first, second, proof, bytes.fromhex(ROOTS[first - 1]), bytes.fromhex(ROOTS[second - 1]))


@given(st.lists(st.binary(max_size=4), max_size=70))
def test_the_root_is_the_one_of_the_definition(leaves: list[bytes]) -> None:
    assert tree_root(leaves) == by_definition(leaves)


@given(TREES)
def test_every_proof_of_a_tree_verifies(leaves: list[bytes]) -> None:
    size, root = len(leaves), tree_root(leaves)
    proofs = inclusion_proofs(leaves, range(size))
    for index, leaf in enumerate(leaves):
        assert proofs[index] == inclusion_proof(leaves, index)
        check_inclusion(leaf, index, size, proofs[index], root)
        check_consistency(index + 1, size, consistency_proof(leaves, index + 1), tree_root(leaves[: index + 1]), root)


@given(TREES, st.data())
def test_a_changed_leaf_index_proof_or_root_is_refused(leaves: list[bytes], data: st.DataObject) -> None:
    size, root = len(leaves), tree_root(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof, leaf = inclusion_proof(leaves, index), leaves[index]
    with pytest.raises(EvidenceError):
        check_inclusion(data.draw(st.binary(max_size=70).filter(lambda other: other != leaf)), index, size, proof, root)
    with pytest.raises(EvidenceError):
        check_inclusion(leaf, data.draw(st.integers(-2, size + 2).filter(lambda i: i != index)), size, proof, root)
    with pytest.raises(EvidenceError):
        check_inclusion(leaf, index, size, changed(proof, data), root)
    with pytest.raises(EvidenceError):
        check_inclusion(leaf, index, size, proof, *flipped((root,), data))


@given(TREES, st.data())
def test_a_size_is_accepted_only_if_the_leaf_has_the_same_place_in_both_trees(
    leaves: list[bytes], data: st.DataObject
) -> None:
    size, index = len(leaves), data.draw(st.integers(0, len(leaves) - 1))
    other = data.draw(st.integers(0, 100).filter(lambda n: n != size))
    proof = inclusion_proof(leaves, index)
    if index < other and way(index, other) == way(index, size):
        check_inclusion(leaves[index], index, other, proof, tree_root(leaves))
    else:
        with pytest.raises(EvidenceError):
            check_inclusion(leaves[index], index, other, proof, tree_root(leaves))


@given(TREES, st.data())
def test_a_changed_history_is_refused(leaves: list[bytes], data: st.DataObject) -> None:
    size = len(leaves)
    first = data.draw(st.integers(1, size))
    proof, roots = consistency_proof(leaves, first), (tree_root(leaves[:first]), tree_root(leaves))
    with pytest.raises(EvidenceError):
        check_consistency(first, size, changed(proof, data), *roots)
    with pytest.raises(EvidenceError):
        check_consistency(first, size, proof, *flipped(roots, data))
    other = data.draw(st.integers(-2, size + 2).filter(lambda n: n != first))
    with pytest.raises(EvidenceError):
        check_consistency(other, size, proof, *roots)


@given(TREES, st.data())
def test_no_consistency_with_a_tree_that_begins_otherwise(leaves: list[bytes], data: st.DataObject) -> None:
    first, place = data.draw(st.integers(1, len(leaves))), data.draw(st.integers(0, len(leaves) - 1))
    other = list(leaves)
    other[place] += b"!"
    proof, roots = consistency_proof(other, first), (tree_root(leaves[:first]), tree_root(other))
    if place >= first:
        check_consistency(first, len(leaves), proof, *roots)
    else:
        with pytest.raises(EvidenceError):
            check_consistency(first, len(leaves), proof, *roots)


@given(st.lists(HASHES, max_size=5), HASHES, HASHES, st.integers(-3, 40), st.integers(-3, 40))
def test_proofs_of_nothing_are_refused(proof: list[bytes], one: bytes, other: bytes, first: int, second: int) -> None:
    with pytest.raises(EvidenceError):
        check_inclusion(b"leaf", first, second, proof, one)
    if not (first == second and one == other and not proof):
        with pytest.raises(EvidenceError):
            check_consistency(first, second, proof, one, other)


def test_an_inner_node_is_no_leaf() -> None:
    left, right = (hashlib.sha256(b"\x00" + leaf).digest() for leaf in LEAVES[:2])
    with pytest.raises(EvidenceError, match="not under this root"):
        check_inclusion(left + right, 0, 1, (), tree_root(LEAVES[:2]))


def test_what_is_no_proof_is_refused_in_words() -> None:
    root = tree_root(LEAVES)
    with pytest.raises(EvidenceError, match="has 32 bytes, got 31"):
        check_inclusion(b"", 0, 8, (root[1:],), root)
    with pytest.raises(EvidenceError, match="has 32 bytes, got 0"):
        check_consistency(1, 8, (), b"", root)
    with pytest.raises(EvidenceError, match="no leaf 8 in a tree of 8"):
        check_inclusion(b"", 8, 8, (), root)
    with pytest.raises(EvidenceError, match="a tree of 3 leaves can't continue one of 4"):
        check_consistency(4, 3, (), root, root)
    with pytest.raises(EvidenceError, match="does not continue the earlier one"):
        check_consistency(8, 2**53 - 1, (), root, root)


@pytest.mark.parametrize("index", [-1, 8])
def test_there_is_no_proof_of_a_leaf_that_is_not_there(index: int) -> None:
    with pytest.raises(InputError, match=f"no leaf {index} among 8"):
        inclusion_proof(LEAVES, index)


@pytest.mark.parametrize("first", [0, 9])
def test_there_is_no_proof_of_an_earlier_tree_that_was_none(first: int) -> None:
    with pytest.raises(InputError, match=f"from 1 to 8 leaves of the earlier tree, got {first}"):
        consistency_proof(LEAVES, first)


def flipped(hashes: tuple[bytes, ...], data: st.DataObject) -> tuple[bytes, ...]:
    """``hashes`` with one bit changed."""
    place, bit = data.draw(st.integers(0, len(hashes) - 1)), data.draw(st.integers(0, 255))
    step = bytearray(hashes[place])
    step[bit // 8] ^= 1 << bit % 8
    return (*hashes[:place], bytes(step), *hashes[place + 1 :])


def changed(hashes: tuple[bytes, ...], data: st.DataObject) -> tuple[bytes, ...]:
    """``hashes`` with one bit changed, one left out, or one more."""
    place = data.draw(st.integers(0, len(hashes)))
    if place == len(hashes) or data.draw(st.booleans()):
        return (*hashes[:place], data.draw(HASHES), *hashes[place:])
    return flipped(hashes, data) if data.draw(st.booleans()) else hashes[:place] + hashes[place + 1 :]
