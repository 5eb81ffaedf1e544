"""Training many networks over a pool of processes of one thread each.

Parent and workers are both ours and speak over pipes, so that no file is unpickled. Workers import this module and
never the caller's, so that a script that calls ``fit_many`` needs no ``if __name__ == "__main__"``.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stealproof.errors import StealproofError
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Part
from stealproof.training.fit import fit
from stealproof.training.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What one worker trains."""

    architecture: NetworkFamily
    classes: int
    recipe: Recipe
    models: list[tuple[int, int]]
    """Seed of each model, and which of ``data`` it is trained on."""
    data: list[tuple[NDArray[Any], NDArray[Any]]]


def train_in_processes(
    architecture: NetworkFamily,
    data: Sequence[Part],
    *,
    classes: int,
    recipe: Recipe,
    seeds: Sequence[int],
    report: Callable[[float], None],
) -> list[dict[str, torch.Tensor]]:
    """The state of each trained network, in the order of ``seeds``."""
    count = min(len(seeds), available_cores())
    shares = [list(range(first, len(seeds), count)) for first in range(count)]
    finished: dict[int, dict[str, torch.Tensor]] = {}
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    command = [sys.executable, "-c", "from stealproof.training._processes import work; work()"]
    workers: list[subprocess.Popen[bytes]] = []

    def attend(worker: subprocess.Popen[bytes], share: Sequence[int]) -> None:
        _send(_job(architecture, data, classes=classes, recipe=recipe, seeds=seeds, share=share), worker)
        for number in share:
            answer = _answer(worker)
            finished[number] = {name: torch.from_numpy(value) for name, value in answer.items()}
            report(len(finished) / len(seeds))

    try:
        with ThreadPoolExecutor(count) as threads:
            for _ in shares:
                workers.append(
                    subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
                )
            try:
                list(threads.map(attend, workers, shares))
            finally:
                for worker in workers:
                    worker.kill()
    finally:
        for worker in workers:
            worker.wait()
            if worker.stdout is not None:
                worker.stdout.close()
    return [finished[number] for number in range(len(seeds))]


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def work() -> None:
    """What a worker does: read a job from stdin, train, write each network's state to stdout."""
    torch.set_num_threads(1)
    # Ctrl-C reaches every process of a terminal; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Nothing else may write where the parent reads.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    sys.stdout = sys.stderr
    job: _Job = pickle.load(sys.stdin.buffer)
    parts = [Part(x=torch.from_numpy(x), y=torch.from_numpy(y)) for x, y in job.data]
    for seed, place in job.models:
        answer: dict[str, NDArray[Any]] | StealproofError
        try:
            model = fit(job.architecture, parts[place], classes=job.classes, recipe=job.recipe, seed=seed)
            answer = {name: value.numpy() for name, value in model.state_dict().items()}
        except StealproofError as error:
            answer = error
        pickle.dump(answer, answers)
        answers.flush()


def _job(
    architecture: NetworkFamily,
    data: Sequence[Part],
    *,
    classes: int,
    recipe: Recipe,
    seeds: Sequence[int],
    share: Sequence[int],
) -> _Job:
    places: dict[int, int] = {}
    arrays: list[tuple[NDArray[Any], NDArray[Any]]] = []
    for number in share:
        part = data[number]
        if id(part) not in places:
            places[id(part)] = len(arrays)
            arrays.append((np.asarray(part.x.cpu()), np.asarray(part.y.cpu())))
    models = [(seeds[number], places[id(data[number])]) for number in share]
    return _Job(architecture=architecture, classes=classes, recipe=recipe, models=models, data=arrays)


def _send(job: _Job, worker: subprocess.Popen[bytes]) -> None:
    assert worker.stdin is not None
    # A worker that died closes the pipe; reading its answer then says why.
    with contextlib.suppress(BrokenPipeError), worker.stdin as pipe:
        pickle.dump(job, pipe)


def _answer(worker: subprocess.Popen[bytes]) -> dict[str, NDArray[Any]]:
    assert worker.stdout is not None
    try:
        answer: dict[str, NDArray[Any]] | StealproofError = pickle.load(worker.stdout)
    except EOFError:
        raise StealproofError(
            f"a training process ended early (exit code {worker.wait()}), perhaps for lack of memory;"
            " see its message above, or choose path serial"
        ) from None
    if isinstance(answer, StealproofError):
        raise answer
    return answer
