"""Training over more identities than one worker can hold, from a Parquet file of vectors and labels."""
