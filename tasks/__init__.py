"""What is done: discover, parse, embed, persist, and the reconciler that never forgets."""
