from __future__ import annotations

import pytest

from tellapart.corpus.document import Kind
from tellapart.errors import TellapartError
from tellapart.rankers.registry import Parameters, make_ranker


def test_given_parameters_win_and_lambda_and_c_displace_each_other():
    tuned = Parameters(weight=0.6, regularisation=30.0)
    assert Parameters().over(tuned) == tuned
    assert Parameters(weight=0.1).over(tuned) == Parameters(weight=0.1, regularisation=30.0)
    assert Parameters(c=0.1).over(tuned) == Parameters(weight=0.6, c=0.1)
    assert Parameters(regularisation=3.0).over(Parameters(c=1.0)) == Parameters(regularisation=3.0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"c": 0.1, "regularisation": 1.0}, "give one of them"),
        ({"c": 0.0}, "c 0.0 is out of range"),
        ({"solver": "best"}, "choose one of closed, exact"),
    ],
)
def test_wrong_parameters_are_refused(given: dict[str, float | str], words: str):
    with pytest.raises(TellapartError, match=words):
        Parameters(**given)


@pytest.mark.parametrize("solver", [None, "closed", "exact"])
def test_every_solver_is_called_svm(solver: str | None):
    assert make_ranker("svm", Kind.PROSE, Parameters(solver=solver)).name == "svm"
