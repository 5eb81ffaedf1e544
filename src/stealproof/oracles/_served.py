"""What a served model takes and gives, from its metadata and from what the caller knows better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from stealproof.errors import AccessDenied, InvalidData, OracleUnavailable, UnknownName
from stealproof.oracle import Access, Answer, Domain
from stealproof.oracles._scores import check_range, default_domain
from stealproof.oracles._v2 import DTYPES, FLOATS, INTEGERS, Metadata, Tensor

ANSWERS = frozenset({Answer.LABELS, Answer.PROBABILITIES, Answer.LOGITS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One classifier behind a URL."""

    input: Tensor
    output: str | None
    """Which output to ask for; None when the metadata tell of none: then the reply decides."""
    domain: Domain
    classes: int
    access: Access

    @classmethod
    def described(
        cls,
        where: str,
        metadata: Metadata,
        *,
        domain: Domain | None,
        classes: int | None,
        access: Access | None,
        output: str | None,
    ) -> Served:
        """The model at ``where``; what is None is taken from its ``metadata``.

        Raises:
            InvalidData: something is neither given nor told, or the two contradict each other.
            AccessDenied: the model can't give answers of this kind.
            UnknownName: no output has this name.
        """
        if access is not None and access.answer not in ANSWERS:
            raise AccessDenied(f"a served model answers labels, probabilities or logits, not {access}")
        tensor = _input(where, metadata, domain)
        chosen = _output(where, metadata, output, access)
        if access is None:
            only_labels = chosen is not None and chosen.datatype in INTEGERS
            access = Access(answer=Answer.LABELS if only_labels else Answer.PROBABILITIES)
        elif chosen is not None and chosen.datatype in INTEGERS and access.answer is not Answer.LABELS:
            raise AccessDenied(f"{where} answers labels only ({chosen.name} is {chosen.datatype}), not {access}")
        return cls(
            input=tensor,
            output=output if chosen is None else chosen.name,
            domain=_domain(where, tensor, domain),
            classes=classes or _classes(where, metadata, chosen),
            access=access,
        )

    @property
    def largest_batch(self) -> int | None:
        """Most inputs of one request by the metadata; None for any number."""
        return None if self.input.shape[0] < 0 else self.input.shape[0]

    @property
    def flat(self) -> bool:
        """Whether the server wants its inputs flat, though the domain has axes."""
        return len(self.input.shape) == 2 and len(self.domain.shape) > 1

    def pick(self, where: str, outputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """The answers among the outputs of one reply; ``OracleUnavailable`` when they are not there."""
        if self.output is not None:
            if self.output not in outputs:
                listed = ", ".join(outputs) or "nothing"
                raise OracleUnavailable(f"{where}: expected numbers in the output {self.output}, got {listed}")
            return outputs[self.output]
        for kinds in _preferred(self.access):
            named = [array for array in outputs.values() if array.dtype.kind in kinds]
            if len(named) == 1:
                return named[0]
        listed = ", ".join(outputs) or "nothing"
        raise OracleUnavailable(f"{where}: expected one output with scores or labels, got {listed}; name one")


def _preferred(access: Access | None) -> tuple[str, ...]:
    """Kinds of NumPy dtypes in which the answers may come, the better ones first."""
    return ("iu", "f") if access is not None and access.answer is Answer.LABELS else ("f", "iu")


def _input(where: str, metadata: Metadata, domain: Domain | None) -> Tensor:
    if not metadata.inputs:
        if domain is None:
            raise InvalidData(f"{where} does not tell the shape of its inputs; pass the domain")
        return Tensor(name="input-0", datatype="FP32", shape=(-1, *domain.shape))
    tensor, *others = metadata.inputs
    if others or tensor.datatype not in DTYPES or len(tensor.shape) < 2:
        found = ", ".join(f"{t.name} {t.datatype} {list(t.shape)}" for t in metadata.inputs)
        raise InvalidData(f"{where}: expected a model with one numeric input [batch, …], got {found}")
    if tensor.shape[0] not in (-1, 1):
        raise InvalidData(
            f"{where} takes exactly {tensor.shape[0]} inputs in each request;"
            " serve it with an open batch axis (-1) or an axis of 1"
        )
    return tensor


def _output(where: str, metadata: Metadata, name: str | None, access: Access | None) -> Tensor | None:
    outputs = {tensor.name: tensor for tensor in metadata.outputs}
    if name is not None:
        if outputs and name not in outputs:
            raise UnknownName.among(f"output of {where}", name, outputs)
        return outputs.get(name)
    if not outputs:
        return None
    for kinds in _preferred(access):
        candidates = [t for t in metadata.outputs if t.datatype in (FLOATS if kinds == "f" else INTEGERS)]
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            listed = ", ".join(tensor.name for tensor in candidates)
            raise InvalidData(f"{where} has several outputs that could be the answers ({listed}); name one")
    listed = ", ".join(f"{tensor.name} {tensor.datatype}" for tensor in metadata.outputs)
    raise InvalidData(f"{where}: expected an output with scores or labels, got {listed}")


def _domain(where: str, tensor: Tensor, domain: Domain | None) -> Domain:
    rest = tensor.shape[1:]
    if domain is None:
        if any(size < 0 for size in rest):
            raise InvalidData(f"{where} leaves the shape of its inputs open ({list(tensor.shape)}); pass the domain")
        return default_domain(rest, DTYPES[tensor.datatype])
    alike = len(rest) == len(domain.shape) and all(a in (-1, b) for a, b in zip(rest, domain.shape, strict=True))
    if not alike and not (len(rest) == 1 and rest[0] in (-1, math.prod(domain.shape))):
        raise InvalidData(f"{where} takes inputs of shape {rest}, not {domain.shape}; pass that domain")
    check_range(where, DTYPES[tensor.datatype], domain)
    return domain


def _classes(where: str, metadata: Metadata, chosen: Tensor | None) -> int:
    scores = [chosen] if chosen is not None and chosen.datatype in FLOATS else metadata.outputs
    for tensor in scores:
        if tensor.datatype in FLOATS and len(tensor.shape) == 2 and tensor.shape[1] > 0:
            # One column is the probability of the positive class of two.
            return max(2, tensor.shape[1])
    raise InvalidData(f"{where} does not tell how many classes there are; pass it")
