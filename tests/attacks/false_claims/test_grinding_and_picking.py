"""Liars who follow the rules of derivation: what trying many keys buys them, and what picking among queries does."""

from __future__ import annotations

import dataclasses
import functools

import pytest
import torch

from stealproof.attacks.false_claims.key_grinding import KeyGrinding
from stealproof.attacks.false_claims.picked_queries import PickedQueries
from stealproof.claims import Claim, Decision
from stealproof.errors import InputError
from stealproof.inputs.data import open_data
from stealproof.models.mlp import Mlp
from stealproof.ownership.adi2018 import Adi2018
from stealproof.ownership.dawn import Dawn
from stealproof.ownership.derived_triggers import DerivedTriggers
from stealproof.ownership.uchida2017 import Uchida2017
from stealproof.ownership.zest import Zest
from stealproof.roles.dataset import Dataset, Part
from stealproof.roles.ownership import Ownership
from stealproof.training.fit_many import fit_many
from stealproof.training.recipe import Recipe
from stealproof.training.trained import Trained

RECIPE = Recipe(epochs=30, batch=64)
DERIVED = DerivedTriggers(triggers=20, sequential=False)
LIAR = KeyGrinding(attempts=60, queries=1000)


@functools.cache
def data() -> Dataset:
    return open_data("digits")


def networks(part: Part, seeds: range) -> list[torch.nn.Module]:
    return fit_many(Mlp(width=32), part, classes=data().classes, seeds=list(seeds), recipe=RECIPE)


@functools.cache
def references() -> list[torch.nn.Module]:
    return networks(data().train, range(2))


@functools.cache
def published() -> Trained:
    return Trained(model=networks(data().pool, range(9, 10))[0], domain=data().domain, classes=data().classes, card={})


def p_value(scheme: Ownership, claim: Claim) -> float:
    return scheme.verify(claim, published().oracle(), model=published().model).p_value


class TestKeyGrinding:
    @pytest.mark.parametrize("scheme", [DERIVED, Uchida2017(bits=32), Adi2018(triggers=20), Dawn(rate=0.02)])
    def test_the_luckiest_of_many_keys_has_a_small_p_value_and_the_count_makes_up_for_it(
        self, scheme: Ownership
    ) -> None:
        found = {
            attempts: p_value(
                scheme,
                dataclasses.replace(LIAR, attempts=attempts).accuse(
                    scheme, references(), data(), target=published().model
                ),
            )
            for attempts in (1, 60)
        }
        assert found[60] < 0.15
        assert found[60] <= found[1]
        # 60 fair draws fall below 1 / 60000 once in a thousand runs.
        assert found[60] * 60 > 1e-3

    def test_the_claim_is_one_that_the_rules_allow_and_counts_its_attempts(self) -> None:
        claim = LIAR.accuse(DERIVED, references(), data(), target=published().model)
        assert claim.secrets["attempts"] == 60
        assert claim.secrets["mode"] == "noise"

    def test_keys_that_suit_references_are_tried_too(self) -> None:
        claim = dataclasses.replace(LIAR, attempts=5).accuse(DERIVED, references(), data())
        assert 0 < p_value(DERIVED, claim) <= 1

    def test_weights_unknown_can_not_be_ground_for(self) -> None:
        with pytest.raises(InputError, match="under uchida2017 for one published model"):
            LIAR.accuse(Uchida2017(bits=32), references(), data())

    def test_says_when_no_query_is_ever_marked(self) -> None:
        with pytest.raises(InputError, match="under none of 1 keys was one of 1 queries marked"):
            KeyGrinding(attempts=1, queries=1).accuse(Dawn(rate=1e-4), references(), data())

    def test_refuses_nothing_to_try(self) -> None:
        for name in ("attempts", "queries"):
            with pytest.raises(InputError, match=f"{name} must be at least 1, got 0"):
                KeyGrinding.make({name: 0}).accuse(DERIVED, references(), data())


class TestPickedQueries:
    @pytest.mark.parametrize("scheme", [DerivedTriggers(rate=0.1), Dawn(rate=0.1)])
    def test_accuses_models_that_were_never_seen(self, scheme: Ownership) -> None:
        claim = PickedQueries().accuse(scheme, references(), data())
        assert len(claim.secrets["labels"]) == 20
        data().domain.check(claim.secrets["inputs"])
        verdict = scheme.verify(claim, published().oracle())
        assert verdict.decision is Decision.OWNED

    def test_takes_what_it_finds_and_says_when_it_finds_nothing(self) -> None:
        few = PickedQueries(queries=500).accuse(DerivedTriggers(rate=0.1), references(), data())
        assert 0 < len(few.secrets["labels"]) < 20
        with pytest.raises(InputError, match="none of 20 queries was marked with a label that other models give"):
            PickedQueries(queries=20).accuse(DerivedTriggers(rate=0.0), references(), data())

    def test_refuses_parameters_and_schemes_that_lead_nowhere(self) -> None:
        with pytest.raises(InputError, match="triggers must be at least 1"):
            PickedQueries(triggers=0).accuse(DERIVED, references(), data())
        with pytest.raises(InputError, match="queries must be at least the 20 triggers"):
            PickedQueries(queries=5).accuse(DERIVED, references(), data())
        with pytest.raises(InputError, match="finds nothing to forge in a claim under zest"):
            PickedQueries().accuse(Zest(), references(), data())
