"""`make deploy` itself: the SAM command line's questions, answered by Enter, against the local AWS, more than once."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from template.cloudformation import complete

from screentest.stack import ACCESS_KEY, REGION, SECRET_KEY, LocalAws
from screentest.stack.deployment import Template, without_certificates

pytestmark = pytest.mark.stack

REPOSITORY = Path(__file__).parents[2]
STACK = "screentest"
ROUTES = json.dumps([{"prefix": "a b/", "screenings": [{"model": "emo-detect-v1", "ratio": "1:1"}]}])
# The local AWS has no pipes.
LOCAL = {"VerdictEvents": "false"}
ORGANISATION = LOCAL | {
    "Routes": ROUTES,
    "NotificationEmail": "people@example.com",
    "BlockUnscreenedReads": "true",
    "ReviewerRoleArns": "arn:aws:iam::123456789012:role/reviewer,arn:aws:iam::123456789012:role/second",
    "KmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef",
    "MaximumConcurrency": "25",
}


class Checkout:
    """A clone with what `make build` leaves in it, and a person who runs `make deploy` there."""

    def __init__(self, folder: Path, artefacts: Path, aws: LocalAws) -> None:
        self.folder, self._artefacts, self._aws = folder, artefacts, aws
        for name in ("Makefile", "samconfig.toml", "template.yaml", "LICENSE", "README.md"):
            shutil.copy(REPOSITORY / name, folder)
        (folder / ".venv").symlink_to(REPOSITORY / ".venv")

    def build(self, alter: Callable[[Template], None] = lambda _: None) -> None:
        """Put the build there anew, as `make build` does: everything that lay in its folder is gone.

        Args:
            alter: makes the template that of a newer version.
        """
        target = self.folder / ".aws-sam" / "build"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self._artefacts, target)
        template = without_certificates(json.loads((target / "template.yaml").read_text()))
        application = template["Metadata"]["AWS::ServerlessRepo::Application"]
        application |= {name: f"../../{application[name]}" for name in ("LicenseUrl", "ReadmeUrl")}
        alter(template)
        (target / "template.yaml").write_text(json.dumps(template))

    def deploy(self, answers: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
        """`make deploy`: Enter to every question, but for `answers` by parameter and a yes to the change set.

        Returns:
            Each parameter that was asked for, with the value that Enter takes.
        """
        built = json.loads((self.folder / ".aws-sam" / "build" / "template.yaml").read_text())
        lines = ["", "", *((answers or {}).get(name, "") for name in built["Parameters"]), *[""] * 6, "y"]
        environment = os.environ | {
            "AWS_ENDPOINT_URL": self._aws.endpoint_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "SAM_CLI_POLL_DELAY": "0.5",
        }
        done = subprocess.run(
            # What is built is there: the recipe alone.
            ["make", "--no-print-directory", "--old-file=build", "deploy"],
            check=False,
            cwd=self.folder,
            env=environment,
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        said = done.stdout + done.stderr
        assert "Successfully created/updated stack" in said or "No changes to deploy" in said
        return re.findall(r"Parameter (\w+) \[(.*?)\]: \t", done.stdout)

    def parameters(self) -> dict[str, str]:
        """What CloudFormation has."""
        (stack,) = self._aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        assert {tag["Key"]: tag["Value"] for tag in stack["Tags"]} == {"project": "screentest"}
        return {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as running:
        yield running


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, empty_artefacts: Path, aws: LocalAws) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("checkout"), empty_artefacts, aws)


def enter_to_every_question_deploys_the_defaults(checkout: Checkout) -> None:
    checkout.build()
    assert checkout.deploy(LOCAL) == list(complete().items())
    assert checkout.parameters() == complete(LOCAL)


def newer(template: Template) -> None:
    """A parameter came in, a default changed, a function got other code."""
    template["Parameters"]["NewOption"] = {"Type": "String", "Default": "new"}
    template["Parameters"]["RetentionDays"]["Default"] = 30
    template["Resources"]["ScreenFunction"]["Properties"]["Description"] = {"Ref": "NewOption"}


def answers_are_kept_over_a_new_version_by_enter_alone(checkout: Checkout) -> None:
    checkout.build()
    checkout.deploy(ORGANISATION)
    assert checkout.parameters() == complete(ORGANISATION)
    checkout.build(newer)
    (checkout.folder / "samconfig.toml").write_text(
        (REPOSITORY / "samconfig.toml").read_text() + "\n# newer\n"
    )
    checkout.deploy()
    assert checkout.parameters() == complete(ORGANISATION) | {"NewOption": "new"}


def what_is_answered_anew_is_kept_from_then_on(checkout: Checkout) -> None:
    checkout.build()
    changed = {"BlockUnscreenedReads": "false", "ExistingBucketName": "pictures-of-ours", "NotifyOn": "all"}
    checkout.deploy(changed)
    assert checkout.parameters() == complete(ORGANISATION | changed)
    checkout.build()
    checkout.deploy()
    assert checkout.parameters() == complete(ORGANISATION | changed)


def the_shared_settings_are_never_written_to(checkout: Checkout) -> None:
    assert (
        (checkout.folder / "samconfig.toml")
        .read_text()
        .startswith((REPOSITORY / "samconfig.toml").read_text())
    )
    assert "pictures-of-ours" in (checkout.folder / "samconfig.local.toml").read_text()
    assert not [*(checkout.folder / ".aws-sam").rglob("samconfig*")]


def test_answers_are_kept_from_one_deployment_to_the_next(checkout: Checkout) -> None:
    """Each step goes on where the one before ended."""
    enter_to_every_question_deploys_the_defaults(checkout)
    answers_are_kept_over_a_new_version_by_enter_alone(checkout)
    what_is_answered_anew_is_kept_from_then_on(checkout)
    the_shared_settings_are_never_written_to(checkout)
