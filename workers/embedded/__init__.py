"""Real PostgreSQL and Valkey out of wheels: started, watched and stopped inside one home folder.

Knows nothing of Celery, of the schema or of the command line. Read `servers.py` first.
"""
