"""From one file's text to chunks, symbols, references and lexemes, in a killable process."""
