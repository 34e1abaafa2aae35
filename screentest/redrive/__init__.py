"""Putting dead letters back into their queues."""
