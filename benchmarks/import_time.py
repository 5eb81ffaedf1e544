"""How long the command line takes to answer what needs no network, against importing torch.

python benchmarks/import_time.py [--repeats 5]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from functools import partial

from _measure import cpu_seconds, machine, ratio, shown

CLI = "from stealproof.cli import main; main()"
COMMANDS = {
    "import torch": ["-c", "import torch"],
    "python alone": ["-c", "pass"],
    "import stealproof": ["-c", "import stealproof"],
    "stealproof --help": ["-c", CLI, "--help"],
    "stealproof list": ["-c", CLI, "list"],
    "stealproof show knockoff_nets": ["-c", CLI, "show", "knockoff_nets"],
}


def main() -> None:
    """Run every command in turn and print its CPU time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    print(machine())
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    # The first round fills the disk cache and is not counted.
    for repeat in range(repeats + 1):
        for name, arguments in COMMANDS.items():
            run = partial(subprocess.run, [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            _, seconds = cpu_seconds(run)
            if repeat:
                times[name].append(seconds)
    for name, spent in times.items():
        less = ratio(times["import torch"], spent)
        print(f"{name}: {min(spent):.2f} CPU-s" + ("" if name == "import torch" else f", {shown(less, 1)} times less"))


if __name__ == "__main__":
    main()
