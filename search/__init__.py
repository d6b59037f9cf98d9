"""What is asked: lexical and vector search over live snapshots."""
