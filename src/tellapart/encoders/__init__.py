"""Texts become vectors: the `Encoder` protocol and one file per kind of encoder."""
