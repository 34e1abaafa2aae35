"""`python -m screentest.artefact EVENT`: see `make invoke`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from screentest.artefact.invoke import invoke
from screentest.stack import StackError


def main() -> int:
    """Print the function's log on standard error and its answer on standard output; 1 when it raised."""
    try:
        reply, log = invoke(Path(sys.argv[1]))
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(log, file=sys.stderr, end="")
    print(json.dumps(reply.payload, indent=2, ensure_ascii=False))
    return 1 if reply.error_type else 0


if __name__ == "__main__":
    sys.exit(main())
