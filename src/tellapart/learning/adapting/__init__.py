"""Adapting an encoder to a corpus without labels, and knowing when not to.

The map is closed form: directions in which queries differ from their own answers are shrunk. Negatives play no part
in it, so none can be false; a contrastive map of the same pairs overfits within seconds
(docs/benchmarks/adaptation.md).
"""
