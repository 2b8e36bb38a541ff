"""Regressors: one file each, offering ``make(seed)`` and a ``GRID``."""
