"""Query sets, judgements, measures and paired statistics."""
