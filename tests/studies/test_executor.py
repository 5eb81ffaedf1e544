from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stealproof.errors import InputError
from stealproof.studies.executor import LocalPool, Serial, cores, local
from stealproof.studies.results import Failure, Result
from stealproof.studies.study import Cell

TASK = '''
import os, time
from pathlib import Path
from stealproof.studies.results import Failure, Result

class Task:
    """Tell the process, or sleep, or die."""
    def __init__(self, folder): self.folder = folder
    def __call__(self, cell):
        (Path(self.folder) / f"{os.getpid()}.pid").touch()
        if cell.arguments.get("dies"): os._exit(7)
        time.sleep(cell.arguments.get("sleep", 0))
        return Failure(cell=cell, reason=os.environ.get("OMP_NUM_THREADS", ""), trace=str(os.getpid()))
'''

SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
import task
from stealproof.studies.executor import LocalPool
from stealproof.studies.study import Cell
if __name__ == "__main__":
    cells = [Cell(experiment="x", arguments={{"sleep": 60}}, seed=i) for i in range(2)]
    list(LocalPool(2).map(task.Task({folder!r}), cells))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module ``task`` that worker processes can import, too."""
    (tmp_path / "task.py").write_text(TASK)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "task", raising=False)
    return tmp_path


def cells(count: int, **arguments: object) -> list[Cell]:
    return [Cell(experiment="x", arguments=arguments, seed=seed) for seed in range(count)]


def run(folder: Path, workers: int, given: list[Cell]) -> list[Result | Failure]:
    import task  # type: ignore[import-not-found]

    return list(LocalPool(workers).map(task.Task(str(folder)), given))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_for(condition: object, seconds: float = 20.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_a_pool_computes_every_cell_in_processes_of_one_thread(folder: Path) -> None:
    outcomes = run(folder, 2, cells(5))
    assert sorted(outcome.cell.seed for outcome in outcomes) == [0, 1, 2, 3, 4]
    assert all(isinstance(outcome, Failure) and outcome.reason == "1" for outcome in outcomes)
    pids = {int(outcome.trace) for outcome in outcomes if isinstance(outcome, Failure)}
    assert os.getpid() not in pids
    assert len(pids) <= 2
    assert not any(alive(pid) for pid in pids)


def test_a_worker_that_dies_fails_its_cell_and_the_others_go_on(folder: Path) -> None:
    outcomes = run(folder, 1, [*cells(1, dies=True), *cells(2)])
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, Failure)]
    assert reasons == ["its process died with exit code 7", "1", "1"]


def test_closing_the_outcomes_ends_the_workers(folder: Path) -> None:
    import task

    outcomes = LocalPool(2).map(task.Task(str(folder)), [*cells(1), *cells(1, sleep=60)])
    next(outcomes)
    pids = [int(path.stem) for path in folder.glob("*.pid")]
    outcomes.close()
    assert pids
    assert not any(alive(pid) for pid in pids)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_the_process_that_started_them(folder: Path, blow: signal.Signals) -> None:
    (folder / "script.py").write_text(SCRIPT.format(folder=str(folder)))
    main = subprocess.Popen([sys.executable, str(folder / "script.py")], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: len(list(folder.glob("*.pid"))) == 2)
        pids = [int(path.stem) for path in folder.glob("*.pid")]
        main.send_signal(blow)
        main.wait(20)
        wait_for(lambda: not any(alive(pid) for pid in pids))
    finally:
        main.kill()
        main.wait()


def test_one_worker_or_one_cell_starts_no_process() -> None:
    assert isinstance(local(1, 9), Serial)
    assert isinstance(local(4, 1), Serial)
    pool = local(4, 3)
    assert isinstance(pool, LocalPool)
    assert pool.workers == 3
    assert cores() >= 1


@pytest.mark.parametrize("make", [LocalPool, lambda workers: local(workers, 3)])
def test_refuses_no_workers(make: object) -> None:
    assert callable(make)
    with pytest.raises(InputError, match="workers must be at least 1, got 0"):
        make(0)
