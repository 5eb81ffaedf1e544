"""Executor: where the cells of a study are computed. Here one after the other, or over processes of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Protocol, cast

from stealproof.errors import InputError
from stealproof.studies.results import Failure, Result
from stealproof.studies.study import Cell

Task = Callable[[Cell], Result | Failure]
"""Computes and stores one cell; it can be sent to another process, and raises nothing but ``KeyboardInterrupt``."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


Outcomes = Generator[Result | Failure, None, None]
"""Results and failures as they come; closing it ends the work that is under way."""


class Executor(Protocol):
    """Anything that computes cells; a cluster's may take the same task and cells."""

    def map(self, task: Task, cells: Sequence[Cell]) -> Outcomes:
        """Compute ``cells`` with ``task``."""
        ...


class Serial:
    """One cell after the other, in this process, on one thread."""

    def map(self, task: Task, cells: Sequence[Cell]) -> Outcomes:
        """See ``Executor.map``."""
        for cell in cells:
            with _one_thread():
                outcome = task(cell)
            yield outcome


class LocalPool:
    """``workers`` processes of this machine, one thread each.

    Workers are started afresh, not forked, since a forked process can't use torch's threads safely. They end with
    this process however it ends, and leave Ctrl-C to it.
    """

    def __init__(self, workers: int) -> None:
        """``workers`` is at least 1; about as many as there are idle cores."""
        if workers < 1:
            raise InputError(f"workers must be at least 1, got {workers}")
        self.workers = workers

    def map(self, task: Task, cells: Sequence[Cell]) -> Outcomes:
        """See ``Executor.map``."""
        pending = list(reversed(cells))
        busy: dict[Connection, tuple[BaseProcess, Cell]] = {}
        finished: list[BaseProcess] = []
        try:
            while pending or busy:
                while pending and len(busy) < self.workers:
                    connection, process = _start(task)
                    _hand(connection, cell := pending.pop())
                    busy[connection] = process, cell
                for ready in wait(list(busy)):
                    connection = cast("Connection", ready)
                    process, cell = busy.pop(connection)
                    try:
                        outcome: Result | Failure = connection.recv()
                    except (EOFError, OSError):
                        process.join()
                        outcome = Failure(cell=cell, reason=f"its process died with exit code {process.exitcode}")
                    else:
                        if pending:
                            _hand(connection, cell := pending.pop())
                            busy[connection] = process, cell
                        else:
                            connection.close()
                            finished.append(process)
                    yield outcome
        finally:
            for process, _ in busy.values():
                process.terminate()
            for process in [*finished, *(process for process, _ in busy.values())]:
                process.join()


def local(workers: int, cells: int) -> Executor:
    """The executor that suits ``cells`` cells: no process is started for one worker or one cell."""
    if workers < 1:
        raise InputError(f"workers must be at least 1, got {workers}")
    useful = min(workers, cells)
    return LocalPool(useful) if useful > 1 else Serial()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start(task: Task) -> tuple[Connection, BaseProcess]:
    """A worker that waits for cells at the other end of the connection."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(task, theirs), name="stealproof worker")
    with _without_interrupts():
        process.start()
    theirs.close()
    return ours, process


def _hand(connection: Connection, cell: Cell) -> None:
    """Send a cell. That a worker has died is noticed when its answer is read."""
    with contextlib.suppress(OSError):
        connection.send(cell)


def _work(task: Task, connection: Connection) -> None:
    """What a worker does until nobody sends it cells any more."""
    os.environ |= ONE_THREAD
    if "torch" in sys.modules:  # it read the environment before we set it
        sys.modules["torch"].set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            cell = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(task(cell))


def _end_with_parent() -> None:
    """End this process at once when the one that started it is gone; entries are written in one piece or not at all."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Let processes that are started inside inherit that Ctrl-C is none of their business."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for torch: threads of neighbours on a busy core cost many times the work, and sums stay the same."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
