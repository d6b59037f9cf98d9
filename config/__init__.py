"""What everyone reads: settings, time limits, logging, errors. Imports nothing of ours."""
