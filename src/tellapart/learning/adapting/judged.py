"""What people's judgements say about an encoder that did not learn from them."""

from __future__ import annotations

import numpy as np

from tellapart.encoders.maps import VectorMap
from tellapart.encoders.pooling import embed
from tellapart.encoders.protocol import Encoder
from tellapart.encoders.worded import WordedEncoder, beside
from tellapart.engine import Index
from tellapart.learning.adapting.deciding import Evidence
from tellapart.learning.adapting.judges import Judges
from tellapart.learning.adapting.judging import mapped
from tellapart.learning.adapting.units import contents_of


def judge(index: Index, people: Judges, changed: VectorMap | Encoder) -> Evidence:
    """Compare a map, or another encoder, with none and with BM25."""
    if isinstance(changed, WordedEncoder):
        scale, words = changed.config.scale, changed.words
        units = embed(words, contents_of(index, people.units, people.level))[0]
        asked = beside(people.queries, words.encode_query(people.texts), scale)
        offered = beside(people.units.vectors, units, scale)
    elif isinstance(changed, Encoder):
        asked = changed.encode_query(people.texts)
        offered = embed(changed, contents_of(index, people.units, people.level))[0]
    else:
        asked, offered = mapped(people.queries, changed), mapped(people.units.vectors, changed)
    return people.evidence(people.values(np.arange(len(people.names)), asked, offered))
