"""What the adapters for Flask, Starlette and FastAPI share: the session of one request, without any I/O of its own."""
