"""What the benchmarks share: processor time, ratios with intervals, one line about the machine."""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch

from stealproof.measures.estimate import Estimate
from stealproof.measures.intervals import mean_over_seeds

Result = TypeVar("Result")


def one_thread() -> None:
    """One torch thread: on shared cores, threads that wait for each other would be billed as work."""
    torch.set_num_threads(1)


def cpu_seconds(work: Callable[[], Result]) -> tuple[Result, float]:
    """The result of ``work`` and its processor time, that of finished child processes included."""
    before = _spent()
    result = work()
    return result, _spent() - before


def ratio(slow: Sequence[float], fast: Sequence[float]) -> Estimate:
    """How many times more the first costs than the second, repetition by repetition; Student's interval."""
    return mean_over_seeds((np.asarray(slow) / np.asarray(fast)).tolist())


def shown(estimate: Estimate, digits: int = 4) -> str:
    """``0.9123 (0.9101 to 0.9145)``."""
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def machine() -> str:
    """Versions and the class of processor: what a reader needs to compare numbers."""
    bfloat16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}"
        f"{' with bfloat16 products' if bfloat16 else ''}; one thread; Python {platform.python_version()},"
        f" torch {torch.__version__}"
    )


def _spent() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
