"""One step of DP-SGD, ours and Opacus', in one run: time, and memory.

    python benchmarks/dp_sgd.py [--repeats 7] [--steps 3] [--batch 512] [--network lenet|strided_cnn|resnet|mlp]

Images of FashionMNIST's shape (random: no step depends on their content), the same weights and batches, clipping norm
1, noise multiplier 1, SGD with momentum. One step is everything from a batch to the updated weights. Ours is in
channels-last layout, in which ``fit`` trains convolutions; Opacus is not, since its gradients of single rows are wrong
there (1.6.0). The engines take turns in every repetition, so that a busy machine slows all of them. Memory is the
growth of the peak resident set over three steps, each engine in a process of its own.

Opacus: pip install 'stealproof[privacy]'; ``torch.func`` is PyTorch's own way to gradients of single rows.
"""

from __future__ import annotations

import argparse
import importlib.util
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import warnings
from collections.abc import Callable

import torch
from _measure import cpu_seconds, machine, one_thread, ratio, shown
from torch.nn import functional

from stealproof import catalog, seeds
from stealproof.defenses.training._per_sample_gradients import _functional, weights_of
from stealproof.defenses.training.dp_sgd import DpSgd
from stealproof.oracle import Domain
from stealproof.roles.architecture import NetworkFamily
from stealproof.roles.dataset import Part
from stealproof.roles.training_defense import TrainingRun
from stealproof.training._optimizers import make_optimizer
from stealproof.training._placement import place
from stealproof.training.recipe import Recipe

Step = Callable[[], None]
RECIPE = Recipe(learning_rate=0.01, weight_decay=0.0, precision="float32")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7, help="at least 2")
    parser.add_argument("--steps", type=int, default=3, help="steps a repetition")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--network", choices=("lenet", "strided_cnn", "resnet", "mlp"), default="lenet")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if importlib.util.find_spec("opacus") is None:
        print("skipped: pip install 'stealproof[privacy]' for Opacus", file=sys.stderr)
        return 0
    one_thread()
    # Opacus' backward hooks meet an input without gradient; its engine notes that the generator is not secure.
    warnings.filterwarnings("ignore", message="Full backward hook is firing|Secure RNG turned off")
    if arguments.only:
        print(_growth(ENGINES[arguments.only](arguments.network, arguments.batch)))
        return 0
    print(machine(), f"{arguments.network}, batch {arguments.batch}", sep="\n", flush=True)
    engines = {name: make(arguments.network, arguments.batch) for name, make in ENGINES.items()}
    for step in engines.values():
        step()
    spent: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(arguments.repeats):
        for name, step in engines.items():
            _, taken = cpu_seconds(lambda step=step: [step() for _ in range(arguments.steps)])  # type: ignore[misc]
            spent[name].append(taken / arguments.steps)
    print("| engine | CPU-ms a step, median | over plain | ours over it | peak memory, MB |\n|---|---|---|---|---|")
    for name, seconds in spent.items():
        cells = [name, f"{1000 * statistics.median(seconds):.0f}"]
        cells += [shown(ratio(seconds, spent["plain"]), 2), shown(ratio(spent["ours"], seconds), 2)]
        print("|", " | ".join([*cells, f"{_memory(name, arguments.network, arguments.batch):.0f}"]), "|", flush=True)
    return 0


def _network(name: str, layout: torch.memory_format) -> torch.nn.Module:
    family = catalog.make(name, "model", **({"norm": "group"} if name in ("strided_cnn", "resnet") else {}))
    assert isinstance(family, NetworkFamily)
    model = family.build((1, 28, 28), 10, seeds.generator(0, "weights"))
    return model.to(memory_format=layout).train()  # type: ignore[call-overload,no-any-return]


def _batch(rows: int, layout: torch.memory_format) -> Part:
    generator = seeds.generator(0, "batch")
    x = torch.rand(rows, 1, 28, 28, generator=generator).contiguous(memory_format=layout)
    return Part(x=x, y=torch.randint(10, (rows,), generator=generator))


def _plain(name: str, rows: int, layout: torch.memory_format | None = None) -> Step:
    model = _network(name, torch.contiguous_format)
    layout = layout or place(model, RECIPE).layout
    model, batch = _network(name, layout), _batch(rows, layout)
    optimizer = make_optimizer(model.parameters(), RECIPE)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(model(batch.x), batch.y).backward()
        optimizer.step()

    return step


def _ours(name: str, rows: int, layout: torch.memory_format | None = None, *, bfloat16: bool = False) -> Step:
    layout = layout or place(_network(name, torch.contiguous_format), RECIPE).layout
    model, batch = _network(name, layout), _batch(rows, layout)
    optimizer = make_optimizer(model.parameters(), RECIPE)
    defense = DpSgd(noise_multiplier=1.0)
    domain = Domain(shape=(1, 28, 28), low=0.0, high=1.0)
    run = TrainingRun(domain=domain, classes=10, generator=seeds.generator(0, "noise"))
    run.rows, run.epoch_steps, run.steps, run.drawn, run.bfloat16 = 20 * rows, 20, 100, rows, bfloat16

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        defense.privatize(model, batch, run)
        optimizer.step()

    return step


def _torch_func(name: str, rows: int) -> Step:
    model, batch = _network(name, torch.contiguous_format), _batch(rows, torch.contiguous_format)
    optimizer, generator = make_optimizer(model.parameters(), RECIPE), seeds.generator(0, "noise")

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        gradients = _functional(model, batch, 0.0)
        factors = (1 / (torch.stack([one.squares() for one in gradients]).sum(dim=0).sqrt() + 1e-6)).clamp(max=1.0)
        for weight, gradient in zip(weights_of(model), gradients, strict=True):
            weight.grad = (gradient.total(factors) + torch.randn(weight.shape, generator=generator)) / rows
        optimizer.step()

    return step


def _opacus(name: str, rows: int, mode: str) -> Step:
    from opacus import PrivacyEngine

    batch = _batch(rows, torch.contiguous_format)
    bare = _network(name, torch.contiguous_format)
    sgd = torch.optim.SGD(bare.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(batch.x, batch.y), batch_size=rows)
    criterion = torch.nn.CrossEntropyLoss()
    made = PrivacyEngine().make_private(
        module=bare,
        optimizer=sgd,
        data_loader=loader,
        criterion=criterion,
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        poisson_sampling=False,
        grad_sample_mode=mode,
    )
    model, optimizer = made[0], made[1]
    loss = made[2] if mode == "ghost" else criterion

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss(model(batch.x), batch.y).backward()
        optimizer.step()

    return step


ENGINES: dict[str, Callable[[str, int], Step]] = {
    "plain": _plain,
    "plain, default layout": lambda name, rows: _plain(name, rows, torch.contiguous_format),
    "ours": _ours,
    "ours, default layout": lambda name, rows: _ours(name, rows, torch.contiguous_format),
    "ours, bfloat16": lambda name, rows: _ours(name, rows, bfloat16=True),
    "torch.func": _torch_func,
    "Opacus hooks": lambda name, rows: _opacus(name, rows, "hooks"),
    "Opacus ghost": lambda name, rows: _opacus(name, rows, "ghost"),
}


def _memory(engine: str, network: str, rows: int) -> float:
    """Growth in MB of the peak resident set, in a process of its own."""
    command = [sys.executable, __file__, "--only", engine, "--network", network, "--batch", str(rows)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def _growth(step: Step) -> float:
    def peak() -> float:
        status = pathlib.Path("/proc/self/status")
        if status.exists():
            # Of this program alone; what getrusage says counts from the larger process that started it.
            return int(re.findall(r"VmHWM:\s+(\d+)", status.read_text())[0]) / 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    before = peak()
    for _ in range(3):
        step()
    return peak() - before


if __name__ == "__main__":
    sys.exit(main())
