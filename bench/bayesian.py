"""Probabilities of the package bayesian-bm25, in a Python that has it: tokens in, the first ten of each query out.

python bench/bayesian.py < tokens.json > probabilities.json
"""

from __future__ import annotations

import json
import sys

TEN = 10


def main() -> None:
    from bayesian_bm25.scorer import BayesianBM25Scorer

    given = json.load(sys.stdin)
    scorer = BayesianBM25Scorer(base_rate="auto")
    scorer.index(given["documents"], show_progress=False)
    asked = [tokens or ["?"] for tokens in given["queries"]]
    found = scorer.retrieve(asked, k=TEN, show_progress=False)
    documents, probabilities = found[:2] if isinstance(found, tuple) else (found.doc_ids, found.probabilities)
    json.dump(
        {
            "documents": [[int(each) for each in row] for row in documents],
            "probabilities": [[float(each) for each in row] for row in probabilities],
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
