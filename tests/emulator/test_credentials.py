"""AWS credentials for the function: found as AWS's tools find them, and nothing else of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import unittest
from datetime import datetime, timedelta, timezone
from unittest import mock

from lambda_emulator.functions.credentials import CredentialSource, CredentialsUnavailable
from lambda_emulator.testing import LambdaFunction

from tests.emulator.test_emulator import PRELUDE, EmulatorTestCase
from tests.support import EMULATOR_ENVIRONMENT, emulator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lambda_emulator.functions.credentials import Keys

# AWS CLI 2, as far as we use it: prints what the test has written, and notes how it was called.
AWS = """\
#!/bin/sh
echo "$*" >> calls
cat errors >&2
cat output
exit "$(cat status)"
"""
AWS_1 = """\
#!/bin/sh
[ "$1" = --version ] && { echo aws-cli/1.45.11 Python/3.11.7 Linux/6 botocore/1.43.11; exit; }
echo 'aws: error: argument subcommand: Invalid choice, valid choices are:' >&2
exit 252
"""
BOTOCORE = """
import os
from datetime import datetime, timezone
class Session:
    def __init__(self, profile): self.profile = profile
    def get_credentials(self): return None if self.profile == "empty" else Credentials(self.profile)
class Credentials:
    _expiry_time = datetime(2999, 1, 1, tzinfo=timezone.utc)
    def __init__(self, profile): self.access_key, self.secret_key, self.token = f"of {profile}", "s", "t"
    def get_frozen_credentials(self): return self
"""
ENVIRONMENT = """
names = ("AWS_", "BOTO", "HOME")
while True:
    request_id, event, headers = take()
    respond(request_id, {name: value for name, value in os.environ.items() if name.startswith(names)})
"""
# What a developer's shell may have.
OWN = {
    "AWS_CONFIG_FILE": "/mine/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/mine/credentials",
    "AWS_ROLE_ARN": "arn:aws:iam::1:role/mine",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/mine/token",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/mine",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/mine",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "mine",
    "AWS_LOGIN_CACHE_DIRECTORY": "/mine/login",
}


def after(seconds: float) -> str:
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat(timespec="seconds")


class CredentialsTestCase(EmulatorTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.interpreter = "/bin/false"  # without botocore, whichever one runs the tests
        self.programs = self.folder / "programs"
        self.programs.mkdir()
        self.home = self.folder / "mine"
        (self.home / ".aws").mkdir(parents=True)
        text = "[default]\nregion = eu-west-1\n[profile work]\nregion = eu-north-1\n"
        (self.home / ".aws" / "config").write_text(text)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        kept.update(PATH=f"{self.programs}:/usr/bin:/bin", HOME=str(self.home), PYTHONPATH=str(self.folder))
        changed = mock.patch.dict(os.environ, kept, clear=True)
        changed.start()
        self.addCleanup(changed.stop)

    def install_aws(self, script: str = AWS) -> None:
        program = self.programs / "aws"
        program.write_text(script.replace("#!/bin/sh\n", f"#!/bin/sh\ncd '{self.programs}'\n"))
        program.chmod(0o755)
        self.set_aws("{}")

    def set_aws(self, output: object, errors: str = "", status: int = 0) -> None:
        """Set what `aws` prints."""
        text = output if isinstance(output, str) else json.dumps(output)
        for name, content in (("output", text), ("errors", errors), ("status", str(status))):
            (self.programs / name).write_text(content)

    def export(self, name: str, lifetime_s: float = 3600) -> None:
        """Let `aws` print temporary keys."""
        keys = {"AccessKeyId": name, "SecretAccessKey": "s", "SessionToken": "t"}
        self.set_aws({"Version": 1, **keys, "Expiration": after(lifetime_s)})

    def calls(self) -> list[str]:
        return (self.programs / "calls").read_text().splitlines()

    def source(self, profile: str = "") -> CredentialSource:
        return CredentialSource(profile, [self.interpreter])

    def find(self, profile: str = "") -> Keys:
        return self.source(profile).keys()

    def problem(self, profile: str = "") -> str:
        with self.assertRaises(CredentialsUnavailable) as caught:
            self.find(profile)
        return str(caught.exception)


class Finding(CredentialsTestCase):
    def test_aws_cli_resolves_the_profile_that_the_environment_or_the_person_selects(self) -> None:
        self.install_aws()
        self.export("of-aws")
        self.assertEqual(("of-aws", "s", "t"), self.find()[:3])
        os.environ.update(AWS_ACCESS_KEY_ID="mine", AWS_SECRET_ACCESS_KEY="s")
        self.assertEqual("of-aws", self.find("work").access_key_id)
        asked = "configure export-credentials --format process"
        self.assertEqual([asked, f"{asked} --profile work"], self.calls())

    def test_variables_win_over_profiles(self) -> None:
        os.environ.update(AWS_ACCESS_KEY_ID="mine", AWS_SECRET_ACCESS_KEY="s", AWS_PROFILE="work")
        self.assertEqual({"AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "s"}, self.find().variables())
        os.environ["AWS_SESSION_TOKEN"] = "t"
        self.assertEqual("t", self.find().variables()["AWS_SESSION_TOKEN"])

    def test_incomplete_or_expired_variables_are_reported(self) -> None:
        os.environ.update(AWS_ACCESS_KEY_ID="mine")
        self.assertIn("AWS_SECRET_ACCESS_KEY is not. Set both", self.problem())
        os.environ.update(AWS_SECRET_ACCESS_KEY="s", AWS_CREDENTIAL_EXPIRATION="2020-01-01T00:00:00Z")
        self.assertRegex(self.problem(), r"have expired at \d\d:\d\d \(AWS_CREDENTIAL_EXPIRATION\)\. Set new")
        os.environ["AWS_CREDENTIAL_EXPIRATION"] = "soon"
        self.assertEqual("mine", self.find().access_key_id)

    def test_botocore_is_asked_if_aws_cli_cannot(self) -> None:
        self.install_aws(AWS_1)
        self.interpreter = sys.executable
        (self.folder / "botocore").mkdir()
        (self.folder / "botocore" / "__init__.py").touch()
        (self.folder / "botocore" / "session.py").write_text(BOTOCORE)
        keys = self.find("work")
        self.assertEqual(("of work", "s", "t"), keys[:3])
        self.assertEqual(2999, datetime.fromtimestamp(keys.expires, timezone.utc).year)
        text = self.problem("empty")
        self.assertIn("aws is AWS CLI 1.45.11, which cannot export credentials; AWS CLI 2 can", text)
        self.assertIn(f"botocore of {sys.executable}: no credentials found", text)

    def test_a_failure_names_what_was_tried_and_what_to_do(self) -> None:
        text = self.problem()
        self.assertIn("Tried: program `aws` (AWS CLI 2) is not on PATH; then botocore", text)
        self.assertIn("Install AWS CLI 2, or set AWS_ACCESS_KEY_ID, ", text)
        self.install_aws()
        table = (
            (
                "Error loading SSO Token: Token for x does not exist",
                "Sign in with `aws sso login --profile p`",
            ),
            (
                "The config profile (p) could not be found",
                "List your profiles with `aws configure list-profiles`",
            ),
            ("Unable to retrieve credentials: no credentials found", "`aws configure sso --profile p`"),
        )
        for errors, remedy in table:
            with self.subTest(errors):
                self.set_aws("", f"\n{errors}\n\n", 255)
                text = self.problem("p")
                self.assertIn(f"`aws configure export-credentials`: {errors}; then ", text)
                self.assertIn(remedy, text)

    def test_output_that_is_not_credentials_is_not_shown(self) -> None:
        self.install_aws()
        for output in (
            "secret",
            '"secret"',
            '{"SecretAccessKey": "secret"}',
            '{"AccessKeyId": 1, "Expiration": 1}',
        ):
            with self.subTest(output):
                self.set_aws(output)
                text = self.problem()
                self.assertIn("`aws configure export-credentials` did not print credentials as JSON", text)
                self.assertNotIn("secret", text)


class Renewing(CredentialsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.install_aws()
        changed = mock.patch("lambda_emulator.functions.credentials.RETRY_S", 0)
        changed.start()
        self.addCleanup(changed.stop)

    def test_asks_again_only_shortly_before_the_end(self) -> None:
        source = self.source()
        self.export("first")
        source.keys()
        source.keys()
        self.assertEqual(1, len(self.calls()))
        self.export("short", 200)
        source = self.source()
        source.keys()
        self.export("second")
        self.assertEqual("second", source.keys().access_key_id)

    def test_keeps_valid_keys_if_it_fails_and_says_so_once(self) -> None:
        self.export("first", 200)
        function = self.start(ENVIRONMENT, credentials=self.source("p"))
        self.set_aws("", "Token has expired and refresh failed", 255)
        for _ in range(2):
            self.assertEqual("first", json.loads(function.invoke().payload)["AWS_ACCESS_KEY_ID"])
        (warning,) = [line for line in function.log_text().splitlines() if "credentials" in line]
        self.assertRegex(
            warning,
            r"\AThe AWS credentials expire at \d\d:\d\d: found no valid AWS credentials of profile 'p'\. .*"
            r" Sign in with `aws sso login --profile p`\.\Z",
        )
        self.assertEqual(0, function.restarts)

    def test_a_new_environment_gets_new_keys_and_an_old_one_is_replaced(self) -> None:
        self.export("first", 200)
        function = self.start(ENVIRONMENT, credentials=self.source())
        variables = json.loads(function.invoke().payload)
        self.assertEqual("first", variables["AWS_ACCESS_KEY_ID"])
        pid = function.pid
        function.invoke()
        self.assertEqual(pid, function.pid, "there were no newer ones")
        self.export("second")
        self.assertEqual("second", json.loads(function.invoke().payload)["AWS_ACCESS_KEY_ID"])
        self.assertNotEqual(pid, function.pid)
        function.invoke()
        self.assertEqual(1, function.restarts)
        self.assertEqual(1, function.log_text().count("The AWS credentials expire. A new environment starts"))

    def test_an_event_fails_loudly_without_keys_and_the_next_one_tries_again(self) -> None:
        self.export("first", 200)
        source = self.source("p")
        function = self.start(ENVIRONMENT, credentials=source)
        source._keys = source.keys()._replace(expires=1.0)
        self.set_aws("", "Token has expired and refresh failed", 255)
        message = "`aws sso login --profile p`. The next event tries again"
        self.assertFunctionError(function.invoke(), "Sandbox.Failure", message)
        self.assertIn(message, function.log_text())
        self.export("second")
        self.assertEqual("second", json.loads(function.invoke().payload)["AWS_ACCESS_KEY_ID"])


class ReachingTheFunction(CredentialsTestCase):
    def run_emulator(self, *words: str) -> subprocess.CompletedProcess[str]:
        script = self.folder / "script.py"
        script.write_text(PRELUDE + textwrap.dedent(ENVIRONMENT))
        runtime = f"--runtime={sys.executable} -ISu {script}"
        environment = {**os.environ, "PYTHONPATH": EMULATOR_ENVIRONMENT["PYTHONPATH"]}
        return subprocess.run(
            emulator("run", "--handler=hello.handler", f"--task-root={self.folder}", runtime, *words),
            capture_output=True,
            text=True,
            env=environment,
        )

    def test_only_the_keys_do(self) -> None:
        self.install_aws()
        self.export("of-aws")
        os.environ.update(OWN, AWS_PROFILE="mine")
        done = self.run_emulator("--credentials")
        self.assertEqual(0, done.returncode, done.stderr)
        variables = json.loads(done.stdout)
        self.assertEqual(
            ("of-aws", "s", "t", "/dev/null", "/dev/null", "/dev/null", "true", "us-east-1"),
            tuple(
                variables[name]
                for name in (
                    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE"),
                    *(
                        "AWS_SHARED_CREDENTIALS_FILE",
                        "BOTO_CONFIG",
                        "AWS_EC2_METADATA_DISABLED",
                        "AWS_REGION",
                    ),
                )
            ),
        )
        self.assertFalse([name for name in ("AWS_PROFILE", *OWN) if "mine" in variables.get(name, "")])
        self.assertEqual("/home/sbx_user1051", variables["HOME"])

    def test_the_region_is_that_of_the_profile(self) -> None:
        self.install_aws()
        self.export("of-aws")
        for profile, words, region in (
            ("", ["--credentials"], "eu-west-1"),
            ("work", ["--credentials"], "eu-north-1"),
            ("default", ["--credentials=work"], "eu-north-1"),
        ):
            with self.subTest(words, profile=profile):
                function = self.function("", credentials=self.source(words[0].partition("=")[2]))
                with mock.patch.dict(os.environ, {"AWS_PROFILE": profile} if profile else {}):
                    self.assertEqual(region, function.configuration.region)
                    with mock.patch.dict(os.environ, AWS_REGION="eu-west-3"):
                        self.assertEqual("eu-west-3", function.configuration.region)

    def test_functions_share_them_and_a_test_gets_the_commands_unchanged(self) -> None:
        self.install_aws()
        self.export("of-aws")
        for _ in range(2):
            LambdaFunction("hello.handler", self.folder, credentials="work").close()
        self.assertEqual(1, len(self.calls()))
        self.set_aws("", "Token has expired and refresh failed", 255)
        with self.assertRaisesRegex(ValueError, "`aws sso login --profile gone`"):
            LambdaFunction("hello.handler", self.folder, credentials="gone")

    def test_without_them_the_emulator_ends_at_once(self) -> None:
        self.install_aws()
        self.set_aws("", "The SSO session associated with this profile has expired", 255)
        done = self.run_emulator("--credentials=work")
        self.assertEqual((2, ""), (done.returncode, done.stdout), done.stderr)
        self.assertRegex(
            done.stderr, r"\Aemulator: found no valid AWS credentials of profile 'work'\. Tried: .*\n\Z"
        )
        self.assertIn("Sign in with `aws sso login --profile work`", done.stderr)


if __name__ == "__main__":
    unittest.main()
