"""What ``stealproof steal`` opens before it asks anything: data, victim, the thief's pool and network."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stealproof import catalog
from stealproof.errors import BudgetExceeded, InputError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable

    from stealproof.attacks.outcome import Examiner
    from stealproof.inputs.data import Pool
    from stealproof.oracle import Access, Oracle
    from stealproof.roles.architecture import NetworkFamily
    from stealproof.roles.dataset import Dataset
    from stealproof.roles.extraction import Extraction, Surrogate

UNIFORM = 10_000
"""Uniform inputs that a local victim is examined on (Tramèr et al. 2016, section 4.1)."""
REMOTE_ROWS = 1_000
"""Held-out inputs, and as many uniform ones, that a victim behind a URL is examined on: they cost its price, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """An opened target."""

    thief: Oracle
    """As the thief sees it."""
    owner: Oracle
    """With all that it gives, and a meter of its own, for the examiner."""
    name: str
    remote: bool
    """Whether asking it costs somebody something."""

    def journaled(self, path: Path | None) -> Victim:
        """The same victim, whose answers are kept in a file and not asked for twice; the examiner's lie beside it."""
        if path is None:
            return self
        from stealproof.oracles.journal import JournalOracle

        examined = path.with_name(path.name + ".examination")
        return replace(
            self,
            thief=JournalOracle(self.thief, path, target=self.name),
            owner=JournalOracle(self.owner, examined, target=self.name),
        )

    def examiner(self, data: Dataset | None, rows: int | None, uniform: int | None, seed: int) -> Examiner:
        """Ask the victim about held-out and uniform inputs; None stands for the defaults of its kind."""
        from stealproof import seeds
        from stealproof.attacks.outcome import Examiner

        if rows is None and self.remote:
            rows = REMOTE_ROWS
        if uniform is None:
            uniform = REMOTE_ROWS if self.remote else UNIFORM
        test = data.parts.get("test") if data is not None and rows != 0 else None
        if test is not None and rows is not None and rows < len(test):
            test = test.take(seeds.rng(seed, "examined rows").permutation(len(test))[:rows])
        if test is None and uniform == 0:
            raise InputError("nothing to examine the surrogate on: no held-out rows and no uniform inputs")
        return Examiner(self.owner, test, uniform=uniform, seed=seed)


def open_victim(
    target: str,
    data: Dataset | None,
    data_spec: str,
    data_parameters: dict[str, Any],
    *,
    access: Access | None,
    options: dict[str, Any],
    seed: int,
) -> Victim:
    """The victim behind ``target``; a family of the catalog is trained on ``data`` first, or read from the cache.

    Args:
        target: a family, a model file, a URL or ``package.module:function``.
        data: the victim's data.
        data_spec: where they come from.
        data_parameters: of their reader.
        access: what the thief sees; None for all that it gives.
        options: of the connection to a URL or of an ONNX file.
        seed: of the training.
    """
    from stealproof.inputs.oracle import narrow, open_oracle

    remote = target.startswith(("http://", "https://"))
    if not is_family(target):
        thief = open_oracle(target, data=data, access=access, **options)
        return Victim(thief=thief, owner=open_oracle(target, data=data, **options), name=target, remote=remote)
    if data is None:
        raise InputError(f"{target} is a family of models, to be trained first; name the data for it with --data")
    if options:
        raise InputError(f"a model trained here takes no options of a connection, got {next(iter(options))!r}; drop it")
    from stealproof.studies.store import Store
    from stealproof.studies.workshop import Workshop

    name = target.replace("-", "_")
    trained = Workshop(Store()).victim(name, data_spec, data_parameters=data_parameters, seed=seed)
    return Victim(
        thief=narrow(trained, access), owner=narrow(trained, None), name=f"{name} on {data.name}", remote=False
    )


def is_family(target: str) -> bool:
    """Whether ``target`` names a family of the catalog; a bare word that is neither that nor a file is an error."""
    if target.replace("-", "_") in catalog.names("model"):
        return True
    if re.fullmatch(r"[\w-]+", target) and not Path(target).exists():
        advice = "(or a model of your own: a .safetensors or .onnx file, a URL, package.module:function)"
        raise UnknownName.among("model", target, catalog.names("model"), advice)
    return False


def open_data_of(spec: str, pairs: dict[str, Any], target: str) -> Dataset | None:
    """The data named by ``spec``, else those that the target's card names, else None."""
    from stealproof.inputs.data import open_data

    if spec:
        return open_data(spec, **pairs)
    if not target.endswith(".safetensors"):
        return None
    from stealproof.inputs.model import open_model

    named = open_model(target).card.get("data") or {}
    if named.get("name") not in catalog.names("dataset"):
        return None
    parameters = {key: tuple(value) if isinstance(value, list) else value for key, value in named["parameters"].items()}
    return open_data(named["name"], **parameters | pairs)


def open_thiefs_pool(
    spec: str, attack: Extraction, victim: Victim, data: Dataset | None, *, budgets: list[int], seed: int
) -> Pool | None:
    """The pool that ``spec`` names, large enough for every budget; None for none.

    Raises:
        BudgetExceeded: a budget below 1, or beyond a pool that the attack can't stretch; nothing was asked yet.
    """
    from stealproof.inputs.data import open_pool

    if min(budgets) < 1:
        raise BudgetExceeded(f"budget must be at least 1 query, got {min(budgets)}")
    if not spec:
        spec = "own" if data is not None and "pool" in data.parts else "none"
    pool = open_pool(spec, domain=victim.thief.domain, data=data, noise=max(budgets), seed=seed)
    if pool is not None and attack.needs_pool and not attack.synthesizes and max(budgets) > len(pool.x):
        raise BudgetExceeded(
            f"budget must be at most the pool's {len(pool.x)} inputs, got {max(budgets)}; lower the budget or bring a"
            " larger pool"
        )
    return pool


def thiefs_network(name: str, parameters: dict[str, Any]) -> NetworkFamily | None:
    """The family of the surrogate; None for the attack's own default."""
    from stealproof.roles.architecture import NetworkFamily

    if not name:
        if parameters:
            raise InputError(f"-a {next(iter(parameters))}=... needs a family; name it with --architecture")
        return None
    family = catalog.make(name, "model", **parameters)
    if not isinstance(family, NetworkFamily):
        networks = [n for n in catalog.names("model") if issubclass(catalog.load(n, "model"), NetworkFamily)]
        raise InputError(f"a surrogate is a network, and {name} is none; expected one of: {', '.join(networks)}")
    return family


@dataclass(frozen=True, slots=True, kw_only=True)
class Thefts:
    """One thief, to be let loose at several budgets."""

    attack: Extraction
    victim: Victim
    pool: Pool | None
    network: NetworkFamily | None
    """The surrogate's family; None for the attack's own default."""
    recipe: dict[str, Any]
    """Fields that replace those of the measured default."""
    seed: int
    price: float
    """Of one query."""

    def steal(self, budget: int, progress: Callable[[str, float], None]) -> Surrogate:
        """Steal once, from scratch."""
        from stealproof.cli.train import recipe_for
        from stealproof.training.suited import suited_network

        oracle = self.victim.thief
        family = self.network or suited_network(oracle.domain.shape, oracle.classes)
        return self.attack.steal(
            oracle,
            None if self.pool is None else self.pool.x,
            budget=budget,
            seed=self.seed,
            pool_labels=None if self.pool is None else self.pool.labels,
            architecture=self.network,
            recipe=recipe_for(family, budget, self.recipe),
            progress=progress,
        )

    def result(self, budget: int, surrogate: Surrogate, examiner: Examiner) -> dict[str, Any]:
        """What came of one theft, in JSON types."""
        return {
            "budget": budget,
            "queries": surrogate.queries,
            "cost": surrogate.queries * self.price,
            "cpu_seconds": surrogate.cpu_seconds,
            "seconds": surrogate.seconds,
            "estimates": {name: found.as_dict() for name, found in examiner.examine(surrogate.model).items()},
            "notes": _plain(surrogate.notes),
        }

    def described(self) -> dict[str, Any]:
        """Who stole what, how, in JSON types."""
        return {
            "attack": _plain(self.attack.describe()),
            "target": self.victim.name,
            "access": str(self.victim.thief.access),
            "pool": None if self.pool is None else _plain({**self.pool.description, "inputs": len(self.pool.x)}),
            "architecture": None if self.network is None else _plain(self.network.describe()),
            "recipe": _plain(self.recipe),
            "seed": self.seed,
            "price_per_query": self.price,
        }


def _plain(value: Any) -> Any:
    """JSON types: arrays as lists, NaN as null, anything unknown as text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
