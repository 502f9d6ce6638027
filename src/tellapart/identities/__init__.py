"""Galleries over any encoder: who is it, is it the same, and "unknown" when it is nobody."""

from tellapart.identities.answers import Bound as Bound
from tellapart.identities.answers import Candidate as Candidate
from tellapart.identities.answers import Identified as Identified
from tellapart.identities.answers import Identity as Identity
from tellapart.identities.answers import Origin as Origin
from tellapart.identities.answers import Scoring as Scoring
from tellapart.identities.answers import Verified as Verified
from tellapart.identities.answers import View as View
from tellapart.identities.gallery import Gallery as Gallery
