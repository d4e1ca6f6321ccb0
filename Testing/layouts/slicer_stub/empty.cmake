# Nothing to do without a true Slicer.
