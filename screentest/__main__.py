"""`python -m screentest`: the console script by another name."""

from screentest.cli import main

main()
