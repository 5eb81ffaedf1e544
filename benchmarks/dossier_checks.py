"""How long a judge needs to check a dossier with a token and 10,000 Merkle leaves.

    python benchmarks/dossier_checks.py [--repeats 11] [--leaves 10000]

Once the leaves are SHA-256 digests, as of queries in a log, and once images of 28 x 28 float32 numbers that the claim
itself holds. The judge reads the archive, checks signature, commitment and token, computes the root of all leaves and
compares it with the one in the statement, and checks a proof for 100 of them. The accuser's proofs, 100 from one tree,
are compared with making each by itself (ten of them, times ten). The token comes from OpenSSL's ``ts``.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _measure import cpu_seconds, machine, ratio, shown

from stealproof import seeds
from stealproof.claims import Claim
from stealproof.errors import EvidenceError
from stealproof.evidence.commitment import new_salt
from stealproof.evidence.derivation import canonical_row
from stealproof.evidence.dossier import CLAIM, Dossier, check_content, new_dossier, read_statement
from stealproof.evidence.keys import new_key, open_private
from stealproof.evidence.merkle import check_inclusion, inclusion_proof, inclusion_proofs, tree_root
from stealproof.evidence.timestamp import check_token
from stealproof.inputs.claim import read_claim, save_claim

sys.path.append(str(Path(__file__).parents[1] / "tests" / "evidence"))
PROOFS = 100
Leaves = Sequence[bytes]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--leaves", type=int, default=10_000)
    arguments = parser.parse_args()
    if shutil.which("openssl") is None:
        print("skipped: install openssl", file=sys.stderr)
        return 0
    print(machine(), flush=True)
    rng = seeds.rng(0, "leaves")
    for name, shape in (("digests", (8,)), ("images", (1, 28, 28))):
        inputs = rng.random((arguments.leaves, *shape)).astype(np.float32)
        print(f"\n{arguments.leaves:,} {name} of {4 * int(np.prod(shape)):,} bytes")
        measure(inputs, arguments.repeats)
    return 0


def measure(inputs: np.ndarray[Any, Any], repeats: int) -> None:
    """One kind of leaves: a dossier is made once, and checked again and again."""
    tsa = importlib.import_module("tsa")
    leaves = [canonical_row(row) for row in inputs]
    indices = [int(index) for index in seeds.rng(0, "indices").choice(len(leaves), PROOFS, replace=False)]
    proofs = inclusion_proofs(leaves, indices)
    spent: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, tsa.bench(Path(folder)) as authority:
        content = dossier(Path(folder), authority, inputs, tree_root(leaves))
        for repeat in range(-1, repeats):
            parts: dict[str, Callable[[], object]] = {
                "100 proofs, each by itself": lambda: [inclusion_proof(leaves, index) for index in indices[:10]],
                "100 proofs of one tree": partial(inclusion_proofs, leaves, indices),
                "the judge: archive, signature, commitment, token": partial(check, content, authority.roots),
                "the judge: claim, root of all leaves": partial(check_root, content),
                "the judge: 100 proofs": partial(check_proofs, leaves, indices, proofs),
            }
            for name, work in parts.items():
                _, seconds = cpu_seconds(work)
                if repeat >= 0:
                    spent.setdefault(name, []).append(10 * seconds if name.endswith("itself") else seconds)
    report(spent, len(content))


def report(spent: Mapping[str, list[float]], size: int) -> None:
    """Medians with the least and the most, and the two totals."""
    judge = [sum(values) for values in zip(*(v for name, v in spent.items() if "judge" in name), strict=True)]
    for name, seconds in {**spent, f"the judge, all of it ({size / 1e6:.1f} MB)": judge}.items():
        print(f"  {name}: {np.median(seconds):.4f} CPU-s ({min(seconds):.4f} to {max(seconds):.4f})")
    alone, together = (spent[name] for name in list(spent)[:2])
    print(f"  proofs of one tree: {shown(ratio(alone, together), 1)} times less than each by itself")


def dossier(folder: Path, authority: Any, inputs: np.ndarray[Any, Any], root: bytes) -> bytes:
    """A timestamped claim of ``inputs`` whose statement names the root and the number of its leaves."""
    new_key(folder / "key")
    secrets = {"inputs": inputs, "labels": np.zeros(len(inputs), dtype=np.int64)}
    claim = save_claim(Claim(scheme="benchmark", secrets=secrets), folder / "made.claim").read_bytes()
    made = new_dossier(
        claim,
        new_salt(),
        kind=CLAIM,
        subject="model.safetensors",
        model="ab" * 32,
        scheme="benchmark",
        parameters={"root": root.hex(), "leaves": len(inputs)},
        key=open_private(folder / "key"),
        created=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    )
    return made.stamped(authority.stamp(made.envelope)).to_bytes()


def check(content: bytes, roots: Sequence[bytes]) -> None:
    """All that holds for every dossier."""
    found = Dossier.from_bytes(content, what="it")
    check_content(found, read_statement(found, what="it"), what="it")
    check_token(found.token, found.envelope, roots=roots)


def check_root(content: bytes) -> None:
    """That the claim's inputs are the leaves that were committed to."""
    found = Dossier.from_bytes(content, what="it")
    said = read_statement(found, what="it")
    leaves = [canonical_row(row) for row in read_claim(found.content, what="it").secrets["inputs"]]
    if (tree_root(leaves).hex(), len(leaves)) != (said.parameters["root"], said.parameters["leaves"]):
        raise EvidenceError("the claim holds other inputs than were committed to")


def check_proofs(leaves: Leaves, indices: Sequence[int], proofs: Sequence[Leaves]) -> None:
    """100 leaves by their proofs, and the root that they are checked against."""
    root = tree_root(leaves)
    for index, proof in zip(indices, proofs, strict=True):
        check_inclusion(leaves[index], index, len(leaves), proof, root)


if __name__ == "__main__":
    sys.exit(main())
