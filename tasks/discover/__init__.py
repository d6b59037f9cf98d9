"""From a source (a URL, a git repository, a folder) to a manifest: each file, or why not."""
