"""Where it runs: the Celery application, worker processes, embedded servers."""
