"""The only readers of files that people write: project, targets, calibration presets, user code."""
