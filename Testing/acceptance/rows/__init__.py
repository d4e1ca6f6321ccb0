"""The rows, a module a subject; each has ``ROWS``. Heavy imports belong into the functions that measure."""
