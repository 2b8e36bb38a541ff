"""What many runs say together: metrics, correlations, choices, shares."""
