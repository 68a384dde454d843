"""Test a trained network: scores, calibration, errors, suspected labels."""
