"""What MedDL promises, as commands: ``python -m Testing.acceptance ROW`` prints the figure and exits 0 or 1.

Each module of ``Testing.acceptance.rows`` lists its rows in ``ROWS``.
"""
