"""Is everything in place for uploads to be screened? Checks of a deployed stack, and the one thing it can mend."""
