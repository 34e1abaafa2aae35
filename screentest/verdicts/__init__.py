"""Asking the table of verdicts: the cheapest way to an answer, and how the answer is written."""
