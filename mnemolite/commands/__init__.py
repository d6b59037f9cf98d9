"""One module per command of `mnemo`."""
