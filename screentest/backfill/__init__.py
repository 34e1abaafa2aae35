"""Screening what is already in a bucket: chosen, counted, listed into a queue or handed to S3 Batch Operations."""
