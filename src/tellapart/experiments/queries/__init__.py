"""Query sets with their gold: judgements in every form they come in, fitted to an index."""
