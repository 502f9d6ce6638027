"""Galleries over any encoder: who is it, is it the same, and "unknown" when it is nobody."""

from tellapart.identities.gallery import Gallery
from tellapart.identities.types import Bound, Candidate, Identified, Identity, Origin, Scoring, Verified, View

__all__ = ["Bound", "Candidate", "Gallery", "Identified", "Identity", "Origin", "Scoring", "Verified", "View"]
