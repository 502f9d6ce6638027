"""Adapting an encoder to a corpus without labels, and knowing when not to.

What works best fits nothing to queries: the words of a text beside its vector. The linear map is closed form:
directions in which queries differ from their own answers are shrunk. Negatives play no part in either, so none can be
false; a contrastive map of the same pairs overfits within seconds (docs/benchmarks/adaptation.md).
"""
