"""Judges a volume file's header in pure Python, so that no C++ parser ever meets an untrusted file."""
