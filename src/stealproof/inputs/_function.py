"""A user's own data from ``package.module:function``: a ``Dataset``, or arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stealproof.errors import InvalidData
from stealproof.inputs import _python
from stealproof.inputs._own import Arrays, OwnData, digest_of_arrays, raw_from_arrays
from stealproof.oracle import as_array
from stealproof.roles.dataset import Raw

SHAPES = {2: ("x", "y"), 4: ("x", "y", "test_x", "test_y")}


@dataclass(frozen=True, kw_only=True)
class FunctionData(OwnData):
    """Arrays that a function returned: ``(x, y)``, ``(x, y, test_x, test_y)``, or a dictionary by those names."""

    returned: object
    """What the function returned."""
    classes: int | None = None
    """Number of classes; None counts the labels."""
    low: float = 0.0
    """Least legal input value."""
    high: float = 1.0
    """Largest legal input value."""

    def title(self) -> str:
        """The function's own address."""
        return self.path

    def describe(self) -> dict[str, Any]:
        """Without the arrays, whose hash the reader adds."""
        parameters = {k: v for k, v in self.parameters().items() if k not in ("path", "returned")}
        return {"name": self.title(), "parameters": parameters}

    def _read(self) -> Raw:
        value = self.returned
        if isinstance(value, tuple | list) and len(value) in SHAPES:
            value = dict(zip(SHAPES[len(value)], value, strict=True))
        if not isinstance(value, dict) or "x" not in value or not set(value) <= set(Arrays.__dataclass_fields__):
            raise InvalidData(
                f"{self.path} returned {type(self.returned).__name__}, expected a Dataset, (x, y),"
                " (x, y, test_x, test_y), or a dictionary of x, y, test_x, test_y, pool_x, pool_y"
            )
        present = [as_array(value[key]) for key in sorted(value) if value[key] is not None]
        return raw_from_arrays(
            Arrays(**value),
            classes=self.classes,
            low=self.low,
            high=self.high,
            name=self.title(),
            notes={"sha256": digest_of_arrays(present)},
        )


def called(spec: str) -> Any:
    """What the data function returns, unchecked."""
    return _python.call(spec)
