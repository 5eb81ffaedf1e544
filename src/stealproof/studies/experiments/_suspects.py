"""Suspects in numbers: copies of one model by many thieves, and innocents whose makers feared a false claim."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from stealproof import catalog, seeds
from stealproof.claims import Claim
from stealproof.inputs.oracle import narrow, parse_access
from stealproof.oracle import Oracle
from stealproof.oracles.guarded import GuardedOracle
from stealproof.ownership._asked_inputs import Box, width
from stealproof.ownership._ensemble import mean_probabilities
from stealproof.roles.dataset import Part
from stealproof.roles.removal import wash
from stealproof.studies.parties import Parties, Scheme, Theft
from stealproof.studies.population import TOGETHER
from stealproof.studies.workshop import adapted
from stealproof.training.fit_many import fit_many
from stealproof.training.suited import suited_recipe
from stealproof.training.trained import Trained

TEACHERS = 4
"""Models whose common adversarial examples a careful maker trains against."""
STEPS = 10
"""Of gradient ascent, for such examples."""


def surrogates(parties: Parties, scheme: Scheme, theft: Theft, count: int) -> tuple[list[Trained], Claim | None]:
    """``count`` models trained on the answers to the same queries, and the claim of a scheme that marks answers."""
    owned, _ = parties.owned(scheme)
    oracle: Oracle = narrow(owned, None)
    guard = None
    if scheme.marks_answers():
        guard = scheme.make()
        guard.use_key(seeds.rng(parties.seed, "owner", "key").bytes(32).hex())  # type: ignore[attr-defined]
        oracle = GuardedOracle(oracle, [guard], client="thief")  # type: ignore[list-item]
    oracle = narrow(oracle, parse_access(theft.access))
    rows = seeds.rng(parties.seed, "thieves", "rows").permutation(len(parties.pool))[: theft.budget]
    x = parties.pool.x[torch.as_tensor(rows)]
    answers = oracle.ask(x)
    if answers.scores is None:
        y = torch.as_tensor(answers.predicted)
    else:
        y = torch.as_tensor(answers.distributions(oracle.classes, oracle.access), dtype=torch.float32)
    models = fit_many(
        parties.family,
        Part(x=x, y=y),
        classes=oracle.classes,
        seeds=[seeds.derive(parties.seed, "thief", number) for number in range(count)],
        recipe=adapted(suited_recipe(parties.family, len(x)), theft.recipe),
    )
    claim = None if guard is None else guard.claim(owned.model)  # type: ignore[attr-defined]
    return [_like(owned, model) for model in models], claim


def fine_tuned(parties: Parties, stolen: Trained, count: int) -> list[Trained]:
    """``count`` suspects who train all layers of ``stolen`` further, each on rows of its own."""
    removal = catalog.make("fine_tuning", "removal", layers="all")
    found = []
    for number in range(count):
        rng = seeds.rng(parties.seed, "fine-tuner", number)
        rows = rng.permutation(len(parties.pool))[: parties.setting.suspect_rows]
        model = wash(
            [removal],
            stolen.model,
            parties.pool.take(torch.as_tensor(rows)),
            domain=stolen.domain,
            classes=stolen.classes,
            seed=seeds.derive(parties.seed, "fine-tuner", number),
        )
        found.append(_like(stolen, model))
    return found


def hardened(parties: Parties, count: int, radius: float) -> list[Trained]:
    """``count`` innocents, each trained on rows of the pool and on examples made from these that transfer.

    The examples mislead a few models of the makers' own within ``radius``, a share of the domain's width, and are
    learned with their true labels (the countermeasure that leaves the judge alone).
    """
    share = parties.setting.control_share
    teachers = [teacher.model for teacher in parties.population("teacher", TEACHERS)]
    pool, domain, classes = parties.pool, parties.owner_data.domain, parties.owner_data.classes
    rows, found = max(1, round(share * len(pool))), list[Trained]()
    for start in range(0, count, TOGETHER):
        numbers, parts = range(start, min(start + TOGETHER, count)), list[Part]()
        for number in numbers:
            drawn = seeds.rng(0, "hardened", number, "rows").permutation(len(pool))[:rows]
            part = pool.take(torch.as_tensor(drawn))
            moved = misleading(teachers, part, Box(part.x, domain, radius * width(domain)))
            parts.append(Part(x=torch.cat([part.x, moved]), y=torch.cat([part.y, part.y])))
        trained = fit_many(
            parties.family, parts, classes=classes, seeds=[seeds.derive(0, "hardened", number) for number in numbers]
        )
        found += [Trained(model=model, domain=domain, classes=classes, card={"hardened": True}) for model in trained]
    return found


def misleading(models: Sequence[torch.nn.Module], part: Part, box: Box) -> torch.Tensor:
    """Inputs of ``part`` moved by the sign of the gradient to where ``models`` together are least right."""
    x = part.x.clone()
    for _ in range(STEPS):
        x.requires_grad_()
        loss = functional.nll_loss(mean_probabilities(models, x).clamp(min=1e-12).log(), part.y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
        x = box.nearest(x.detach() + 2 * box.reach / STEPS * gradient.sign())
    return x


def _like(owned: Trained, model: torch.nn.Module) -> Trained:
    return Trained(model=model, domain=owned.domain, classes=owned.classes, card={"copy of": "the owner's model"})
