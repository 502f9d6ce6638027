"""Experiments: everything that decides with evidence.

    from tellapart import Index
    from tellapart.experiments import decide, run_texts, text_arms, read_query_set

    index = Index.open("my.idx")
    queries = read_query_set(index, "queries.jsonl", "qrels.tsv")       # what is asked, and what answers it
    experiment = run_texts(index, queries, text_arms(index))            # a value for every query and arm
    verdict = decide(experiment)                                        # which arm to use, and why

`evaluate(index, "queries.jsonl", "qrels.tsv")` does all four. Values that were measured elsewhere are judged in the
same way:

    values = {"document/bm25": [0.5, 1.0], "minilm/document/knn": [0.6, 1.0]}
    decide(Experiment.from_values(values, default="document/bm25"))

| value | holds |
|---|---|
| `QuerySet` | queries, relevance (documents, passages, images), clusters, weights, provenance |
| `Arm`, `Arms` | configurations that are compared, addressed by name |
| `Experiment` | query set x arms: values per query, and cost |
| `Verdict` | findings by name, the choice, the reason |

`decide(experiment, policy)` is the only place that concludes; `policies` holds the rules.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tellapart.experiments.arms import Arm, Arms, text_arms
    from tellapart.experiments.deciding import decide
    from tellapart.experiments.evaluation import compare_images, evaluate
    from tellapart.experiments.examples import image_query_set, run_examples, unit_query_set
    from tellapart.experiments.experiment import ArmValues, Cost, Experiment
    from tellapart.experiments.gate import compare_with, read_saved
    from tellapart.experiments.judged import read_query_set
    from tellapart.experiments.measures import Measure, evaluate_run
    from tellapart.experiments.policies import EverySource, Judged, Policy, Synthetic
    from tellapart.experiments.query_set import Provenance, QuerySet
    from tellapart.experiments.running import run_texts
    from tellapart.experiments.statistics import Comparison, compare, holm
    from tellapart.experiments.synthetic.generate import generate, run_synthetic
    from tellapart.experiments.trec import read_run, write_run
    from tellapart.experiments.verdict import Finding, Verdict

_HOMES = {
    "Arm": "arms",
    "ArmValues": "experiment",
    "Arms": "arms",
    "Comparison": "statistics",
    "Cost": "experiment",
    "EverySource": "policies",
    "Experiment": "experiment",
    "Finding": "verdict",
    "Judged": "policies",
    "Measure": "measures",
    "Policy": "policies",
    "Provenance": "query_set",
    "QuerySet": "query_set",
    "Synthetic": "policies",
    "Verdict": "verdict",
    "compare": "statistics",
    "compare_images": "evaluation",
    "compare_with": "gate",
    "decide": "deciding",
    "evaluate": "evaluation",
    "evaluate_run": "measures",
    "generate": "synthetic.generate",
    "holm": "statistics",
    "image_query_set": "examples",
    "read_query_set": "judged",
    "read_run": "trec",
    "read_saved": "gate",
    "run_examples": "examples",
    "run_synthetic": "synthetic.generate",
    "run_texts": "running",
    "text_arms": "arms",
    "unit_query_set": "examples",
    "write_run": "trec",
}

__all__ = [
    "Arm",
    "ArmValues",
    "Arms",
    "Comparison",
    "Cost",
    "EverySource",
    "Experiment",
    "Finding",
    "Judged",
    "Measure",
    "Policy",
    "Provenance",
    "QuerySet",
    "Synthetic",
    "Verdict",
    "compare",
    "compare_images",
    "compare_with",
    "decide",
    "evaluate",
    "evaluate_run",
    "generate",
    "holm",
    "image_query_set",
    "read_query_set",
    "read_run",
    "read_saved",
    "run_examples",
    "run_synthetic",
    "run_texts",
    "text_arms",
    "unit_query_set",
    "write_run",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _HOMES:
        raise AttributeError(f"module 'tellapart.experiments' has no attribute {name!r}")
    return getattr(import_module(f"tellapart.experiments.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
