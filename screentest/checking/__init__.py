"""`screentest check`: decides files, folders or URLs.

A picture file is judged by the same service code that `screentest serve` runs, called in this process with the file's
bytes in place of a download; the answers are those of the wire to the letter.
"""
