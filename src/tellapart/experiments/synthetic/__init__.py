"""Queries made from the corpus itself, without judgements: sources, masking, sampling, and the proof of no leak."""

from tellapart.experiments.synthetic.generate import generate
from tellapart.experiments.synthetic.leaks import Leak, leaks
from tellapart.experiments.synthetic.types import Blank, Candidate, GeneratedSet, Source

__all__ = ["Blank", "Candidate", "GeneratedSet", "Leak", "Source", "generate", "leaks"]
