"""How words of descriptions are said in code, learned from packages that no ranking is judged by.

Kept apart because it is run once in a long while: its outcome is `search/thesaurus.txt`.
"""
