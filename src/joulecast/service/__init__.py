"""The estimator over HTTP: one process or several that answer a team and keep its runs."""
