"""An index in PostgreSQL with pgvector: published from a folder, searched by the same rankers.

Documents, postings and vectors are rows. Words are ranked by the postings of the published index, which a search
fetches for its terms; nearest vectors are proposed by pgvector's HNSW index and scored again exactly.
"""
