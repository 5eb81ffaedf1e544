"""The order of protections in one training run."""

from __future__ import annotations

import pytest

from stealproof import catalog
from stealproof.errors import IncompatibleDefenses, InputError
from stealproof.studies.experiments._deployed import in_order
from stealproof.training.composed import in_training_order


def test_the_order_does_not_depend_on_how_they_were_named_and_studies_take_the_same() -> None:
    names = ("dp_sgd", "pgd_training", "adi2018", "radioactive_data")
    made = [catalog.make(name, "training_defense") for name in names]
    expected = ["radioactive_data", "adi2018", "pgd_training", "dp_sgd"]
    for shift in range(len(names)):
        assert [one.name() for one in in_training_order(made[shift:] + made[:shift])] == expected
        assert [one.name for one in in_order(names[shift:] + names[:shift])] == expected


def test_a_protection_named_twice_and_two_that_exclude_each_other_are_refused() -> None:
    private, selecting = (catalog.make(name, "training_defense") for name in ("dp_sgd", "early_stopping"))
    with pytest.raises(InputError, match="dp_sgd is named 2 times; deploy each protection once"):
        in_training_order([private, private])
    with pytest.raises(IncompatibleDefenses, match="early_stopping"):
        in_training_order([private, selecting])
