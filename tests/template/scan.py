"""Scans the template with checkov, as CloudFormation gets it with few and with all options on.

Run by `make check`. Checkov lives in an environment of its own, because it pins what others pin differently.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from cloudformation import EVERYTHING, EXISTING_BUCKET, REPOSITORY, effective

CHECKOV = REPOSITORY / ".checkov" / "bin" / "checkov"


def main() -> int:
    """The exit status: 0 when nothing was found."""
    with tempfile.TemporaryDirectory() as folder:
        for name, parameters in (
            ("default", {}),
            ("everything", EVERYTHING),
            ("existing-bucket", EXISTING_BUCKET),
        ):
            (Path(folder) / f"{name}.json").write_text(json.dumps(effective(parameters), indent=1))
        command = [str(CHECKOV), "--config-file", str(REPOSITORY / ".checkov.yaml"), "--directory", folder]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
