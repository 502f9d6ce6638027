"""Queries made from the corpus itself, without judgements: sources, masking, sampling, and the proof of no leak."""

from tellapart.evaluation.generated.generate import generate
from tellapart.evaluation.generated.leaks import Leak, leaks
from tellapart.evaluation.generated.types import Blank, Candidate, GeneratedSet, Source

__all__ = ["Blank", "Candidate", "GeneratedSet", "Leak", "Source", "generate", "leaks"]
