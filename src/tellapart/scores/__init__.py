"""What vectors and scores of an index are worth: diagnostics, and whether the SVM pays here."""
