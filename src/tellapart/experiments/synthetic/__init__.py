"""Queries made from the corpus itself, without judgements: sources, masking, sampling, and the proof of no leak."""

from tellapart.experiments.synthetic.generate import generate
from tellapart.experiments.synthetic.masks import Leak, leaks
from tellapart.experiments.synthetic.queries import Blank, QueryCandidate, QuerySource, SyntheticQueries

__all__ = ["Blank", "Leak", "QueryCandidate", "QuerySource", "SyntheticQueries", "generate", "leaks"]
