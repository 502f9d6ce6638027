"""Adapting an encoder to a corpus, and knowing when not to.

What works best fits nothing to queries: the words of a text beside its vector. The linear map is closed form:
directions in which queries differ from their own answers are shrunk. Whether either is better than the untouched
encoder is decided as everything is decided: as an arm of an experiment (tellapart.experiments).
"""
