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

`decide(experiment)` is the only place that concludes; `posterior` holds what it knows of other collections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tellapart.public import lazily

if TYPE_CHECKING:
    from tellapart.experiments.arms import Arm, Arms, text_arms
    from tellapart.experiments.deciding import decide
    from tellapart.experiments.evaluation import compare_images, evaluate
    from tellapart.experiments.examples import image_query_set, run_examples, unit_query_set
    from tellapart.experiments.experiment import ArmValues, Cost, Experiment
    from tellapart.experiments.gate import compare_with, read_saved
    from tellapart.experiments.measures import Measure, evaluate_run
    from tellapart.experiments.qrels import Qrels, QueryTexts
    from tellapart.experiments.query_files import read_query_set
    from tellapart.experiments.query_set import Provenance, QuerySet
    from tellapart.experiments.running import run_texts
    from tellapart.experiments.statistics import Comparison, compare, holm
    from tellapart.experiments.synthetic.generate import generate, run_synthetic
    from tellapart.experiments.trec import read_run, write_run
    from tellapart.experiments.verdict import Finding, Verdict

__all__ = [
    "Arm",
    "ArmValues",
    "Arms",
    "Comparison",
    "Cost",
    "Experiment",
    "Finding",
    "Measure",
    "Provenance",
    "Qrels",
    "QuerySet",
    "QueryTexts",
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

__getattr__ = lazily(
    __name__,
    {
        "tellapart.experiments.arms": (
            "Arm",
            "Arms",
            "text_arms",
        ),
        "tellapart.experiments.deciding": ("decide",),
        "tellapart.experiments.evaluation": (
            "compare_images",
            "evaluate",
        ),
        "tellapart.experiments.examples": (
            "image_query_set",
            "run_examples",
            "unit_query_set",
        ),
        "tellapart.experiments.experiment": (
            "ArmValues",
            "Cost",
            "Experiment",
        ),
        "tellapart.experiments.gate": (
            "compare_with",
            "read_saved",
        ),
        "tellapart.experiments.query_files": ("read_query_set",),
        "tellapart.experiments.qrels": (
            "Qrels",
            "QueryTexts",
        ),
        "tellapart.experiments.measures": (
            "Measure",
            "evaluate_run",
        ),
        "tellapart.experiments.query_set": (
            "Provenance",
            "QuerySet",
        ),
        "tellapart.experiments.running": ("run_texts",),
        "tellapart.experiments.statistics": (
            "Comparison",
            "compare",
            "holm",
        ),
        "tellapart.experiments.synthetic.generate": (
            "generate",
            "run_synthetic",
        ),
        "tellapart.experiments.trec": (
            "read_run",
            "write_run",
        ),
        "tellapart.experiments.verdict": (
            "Finding",
            "Verdict",
        ),
    },
)


def __dir__() -> list[str]:
    return __all__
