"""Learning from runs: physics, features, regressors, calibration and the fitted predictor."""
