"""Queries made from the corpus itself, without judgements: sources, masking, sampling, and the proof of no leak."""

from tellapart.experiments.synthetic.generate import generate
from tellapart.experiments.synthetic.leaks import Leak, leaks
from tellapart.experiments.synthetic.types import Blank, Candidate, Source, SyntheticQueries

__all__ = ["Blank", "Candidate", "Leak", "Source", "SyntheticQueries", "generate", "leaks"]
