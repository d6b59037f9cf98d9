"""What is stored: tables, migrations, the ledger of work, the index."""
