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
    from tellapart.experiments.arms import Arm as Arm
    from tellapart.experiments.arms import Arms as Arms
    from tellapart.experiments.arms import text_arms as text_arms
    from tellapart.experiments.deciding import decide as decide
    from tellapart.experiments.evaluation import compare_images as compare_images
    from tellapart.experiments.evaluation import evaluate as evaluate
    from tellapart.experiments.examples import image_query_set as image_query_set
    from tellapart.experiments.examples import run_examples as run_examples
    from tellapart.experiments.examples import unit_query_set as unit_query_set
    from tellapart.experiments.experiment import ArmValues as ArmValues
    from tellapart.experiments.experiment import Cost as Cost
    from tellapart.experiments.experiment import Experiment as Experiment
    from tellapart.experiments.gate import compare_with as compare_with
    from tellapart.experiments.gate import read_saved as read_saved
    from tellapart.experiments.measures import Measure as Measure
    from tellapart.experiments.measures import evaluate_run as evaluate_run
    from tellapart.experiments.migrating import go_back as go_back
    from tellapart.experiments.migrating import migrate as migrate
    from tellapart.experiments.qrels import Qrels as Qrels
    from tellapart.experiments.qrels import QueryTexts as QueryTexts
    from tellapart.experiments.query_files import read_query_set as read_query_set
    from tellapart.experiments.query_set import Provenance as Provenance
    from tellapart.experiments.query_set import QuerySet as QuerySet
    from tellapart.experiments.running import run_texts as run_texts
    from tellapart.experiments.statistics import Comparison as Comparison
    from tellapart.experiments.statistics import compare as compare
    from tellapart.experiments.statistics import holm as holm
    from tellapart.experiments.synthetic.generate import generate as generate
    from tellapart.experiments.synthetic.generate import run_synthetic as run_synthetic
    from tellapart.experiments.trec import read_run as read_run
    from tellapart.experiments.trec import write_run as write_run
    from tellapart.experiments.verdict import Finding as Finding
    from tellapart.experiments.verdict import Verdict as Verdict

__getattr__, __dir__, __all__ = lazily(__name__)
