"""Scans the template with checkov, as CloudFormation gets it with few and with all options on, and its policies with
parliament.

Run by `make check`. Both live in an environment of their own, because checkov pins what others pin differently.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from template import permissions
from template.cloudformation import EVERYTHING, EXISTING_BUCKET, REPOSITORY, effective

CHECKOV = REPOSITORY / ".checkov" / "bin" / "checkov"
PYTHON = REPOSITORY / ".checkov" / "bin" / "python"

PARLIAMENT = """
import json, sys
from pathlib import Path
from parliament import analyze_policy_string

for file in sorted(Path(sys.argv[1]).glob("*.json")):
    for finding in analyze_policy_string(file.read_text()).findings:
        print(json.dumps([file.stem, finding.issue, str(finding.detail)]))
"""

KNOWN = (
    # AWS's documents list it among what a pipe needs, on the stream; AWS's table of actions gives it no resource.
    ("RESOURCE_MISMATCH", "[{'action': 'dynamodb:ListStreams', 'required_format': '*'}]"),
    # A function's network interfaces: AWS's own list for them, on every resource; nobody knows them beforehand.
    (
        "RESOURCE_STAR",
        "['ec2:AssignPrivateIpAddresses', 'ec2:CreateNetworkInterface', 'ec2:DeleteNetworkInterface', "
        "'ec2:UnassignPrivateIpAddresses']",
    ),
    # It knows no IPv6.
    ("MISMATCHED_TYPE", "aws:SourceIp requires a value of type Ip but given ['127.0.0.0/8', '::1/128']"),
)
"""Findings of parliament that stay, each with its reason."""


def main() -> int:
    """The exit status: 0 when nothing was found."""
    return scan_template() or scan_policies()


def scan_policies() -> int:
    """Ask parliament about every policy; trust policies are of a kind that it does not know."""
    with tempfile.TemporaryDirectory() as folder:
        permissions.write(Path(folder))
        command = [str(PYTHON), "-W", "ignore", "-c", PARLIAMENT, folder]
        run = subprocess.run(command, check=True, capture_output=True, text=True)
    found = [json.loads(line) for line in run.stdout.splitlines()]
    unknown = [
        (policy, issue, detail)
        for policy, issue, detail in found
        if not any(issue == kind and what in detail for kind, what in KNOWN)
    ]
    for finding in unknown:
        print("parliament:", *finding)
    return 1 if unknown else 0


def scan_template() -> int:
    """Ask checkov about the template."""
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
