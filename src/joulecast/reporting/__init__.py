"""The report: a set of runs as one HTML file that needs nothing else, with its figures."""
