"""The ground floor: records, units, errors and the catalogue. It imports nothing of ours."""
