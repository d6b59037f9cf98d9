"""What people touch: the command `mnemo`."""
