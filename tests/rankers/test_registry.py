from __future__ import annotations

import re
from pathlib import Path

import pytest

from tellapart.corpus.document import Kind
from tellapart.errors import TellapartError
from tellapart.index.lexical import defaults
from tellapart.rankers.registry import Parameters, default_weight, make_ranker
from tellapart.rankers.ridge import ExpandedRidge, Ridge
from tellapart.rankers.rocchio import Rocchio
from tellapart.rankers.svm import ClosedFormSVM

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks" / "constants.md"


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


@pytest.mark.parametrize(
    ("kind", "encoder", "share"),
    [
        (Kind.PROSE, "minilm", 0.7),
        (Kind.CODE, "minilm", 0.9),
        (Kind.PROSE, "lsa", 0.5),
        (Kind.CODE, "lsa", 0.1),
        (Kind.CODE, "folder:mine", 0.9),
    ],
)
def test_vectors_that_know_this_corpus_alone_weigh_less(kind, encoder, share):
    assert default_weight(kind, encoder) == share
    assert make_ranker("hybrid", kind, Parameters(), encoder=encoder).weight == share
    assert make_ranker("hybrid", kind, Parameters(weight=0.3), encoder=encoder).weight == 0.3


def test_defaults_are_those_that_the_page_compares_with_half_and_twice():
    compared = dict(re.findall(r"^\| ([^|]+?) \(`[^|]+\| [^|]+ \| \d+ \| ([\d.]+):", PAGE.read_text(), re.M))
    k1, b = defaults(Kind.PROSE)
    expanded = ExpandedRidge()
    ours = {
        "BM25's k1": k1,
        "BM25's b": b,
        "svm's lambda": ClosedFormSVM().ratio,
        "svm's liked": ClosedFormSVM().liked,
        "svm's unliked": ClosedFormSVM().unliked,
        "rrf's constant": make_ranker("rrf", Kind.PROSE, Parameters()).constant,
        "ridge's lambda": Ridge().ratio,
        "ridge's gamma": Ridge().gamma,
        "rocchio's gamma": Rocchio().gamma,
        "expanding units": expanded.units,
        "expanding weight": expanded.weight,
    }
    assert {name: float(compared[name]) for name in ours} == ours
