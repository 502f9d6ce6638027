"""Galleries over any encoder: who is it, is it the same, and "unknown" when it is nobody."""

from tellapart.identities.answers import (
    Bound,
    Candidate,
    Identified,
    Identity,
    Origin,
    Scoring,
    Verified,
    View,
)
from tellapart.identities.gallery import Gallery

__all__ = ["Bound", "Candidate", "Gallery", "Identified", "Identity", "Origin", "Scoring", "Verified", "View"]
