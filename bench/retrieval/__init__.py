"""What a search is worth: functions found again by their docstrings, which the index never saw.

In the manner of CodeSearchNet (arXiv 1909.09436): the first paragraph of a function's docstring is
the query, the function is what must be found, among all files of several packages whose docstrings
were taken out. Everything is indexed and searched by MnemoLite itself, in this process.
"""
