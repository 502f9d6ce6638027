"""From values per query to what an evaluation concludes, keeps, prints and compares."""
