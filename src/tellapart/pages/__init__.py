"""HTML pages: one base template, one style sheet, one kind of chart; each page is one file that needs no network."""
