"""Sources become documents, documents become units: readers, ignore rules, the containment tree."""
