"""Orders units for a query: one file per ranker, and fusion."""
