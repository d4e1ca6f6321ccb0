"""Images in and out of files: what is accepted, what is refused, and why."""
