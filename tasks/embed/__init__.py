"""From texts to vectors: which model, on which backend, and the stage that adds what is missing."""
