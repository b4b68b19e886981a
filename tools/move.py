"""Move a function of a managed runtime, such as python3.13, to this runtime, or back.

    python3 tools/move.py FUNCTION                  show what would change
    python3 tools/move.py FUNCTION --apply          change it, wait, and invoke the function once
    python3 tools/move.py FUNCTION --back --apply   take the move back

`aws lambda update-function-configuration` replaces all layers and all variables. This tool keeps those that
the function has. It adds the runtime's layer (by default the newest version of python-runtime in your
account) and the variable AWS_LAMBDA_EXEC_WRAPPER. It changes $LATEST only: versions and aliases keep what
they have.

If the function cannot start after the move, the previous configuration is restored.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script has only its own folder on it

from tools.build import errors
from tools.build.aws_cli import AwsCli, AwsError
from tools.build.errors import ToolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Json = dict[str, Any]

WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"
IN_THE_LAYER = "/opt/bootstrap"
IN_THE_PACKAGE = "/lambda_runtime/bootstrap"  # the end of its path in a function's zip or a layer of packages
LAYER_ARN = re.compile(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:layer:[A-Za-z0-9_-]+:[0-9]+")
OLDEST_PYTHON = 8  # 3.8
LAYER = "python-runtime"  # as `make publish` names it
LAYERS_LIMIT = 5  # developer guide, "Lambda quotas"
EVENT = "{}"
UPDATE_TIMEOUT_S = 300
# The beginnings of error types for which the runtime, not the handler, is responsible.
START_ERRORS = ("Runtime.", "Extension.", "Sandbox.")


class Plan:
    """The layers and variables of a function, before and after."""

    def __init__(self, configuration: Json) -> None:
        self.configuration = configuration
        self.name: str = configuration["FunctionName"]
        self.layers_before: list[str] = [layer["Arn"] for layer in configuration.get("Layers") or []]
        environment = configuration.get("Environment") or {}
        self.variables_before: dict[str, str] = environment.get("Variables") or {}
        self.layers, self.variables = list(self.layers_before), dict(self.variables_before)

    @property
    def changes(self) -> bool:
        return (self.layers, self.variables) != (self.layers_before, self.variables_before)

    def reversed(self, configuration: Json) -> Plan:
        """Return the plan that restores the state before, from the ``configuration`` of now."""
        plan = Plan(configuration)
        plan.layers, plan.variables = self.layers_before, self.variables_before
        return plan

    def text(self, aliases: Sequence[Json]) -> str:
        """Return what the plan changes and keeps. The values of variables that stay are not shown."""
        variables = _compare(_words(self.variables_before), _words(self.variables))
        kept = sorted(name for name, _ in self.variables.items() & self.variables_before.items())
        variables = [row for row in variables if row[0] != "keep"]
        rows = [
            ("layers", _compare(self.layers_before, self.layers)),
            ("variables", [*variables, ("keep", ", ".join(kept))] if kept else variables),
            ("aliases", [("keep", f"{one['Name']}, version {one['FunctionVersion']}") for one in aliases]),
        ]
        lines = [f"{self.name} ({self.configuration['Runtime']})"]
        for title, changes in rows:
            for what, value in changes:
                lines.append(f"  {title:10} {what:8} {value}")
                title = ""
        return "\n".join(lines)


def _words(variables: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in sorted(variables.items())]


def _compare(before: Sequence[str], after: Sequence[str]) -> list[tuple[str, str]]:
    """Return the items in the order of ``after``, each with keep, add or remove."""
    removed = [("remove", one) for one in before if one not in after]
    return removed + [("keep" if one in before else "add", one) for one in after]


def main() -> int:
    words = sys.argv[1:]
    split = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(
        prog="tools/move.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("function", metavar="FUNCTION", help="its name or ARN")
    parser.add_argument("--layer", metavar="ARN", help=f"the runtime's layer (default: the newest {LAYER})")
    parser.add_argument(
        "--wrapper",
        metavar="PATH",
        help=f"the runtime's bootstrap (default: {IN_THE_LAYER}); below /var/task no layer is needed",
    )
    parser.add_argument("--apply", action="store_true", help="make the changes instead of showing them")
    parser.add_argument("--back", action="store_true", help="return to AWS's runtime")
    parser.add_argument("--event", default=EVENT, help=f"the event for the invocation (default: {EVENT})")
    options = parser.parse_args(words[:split])
    try:
        json.loads(options.event)
    except ValueError as error:
        raise ToolError(f"The event is not JSON: {error}.", "Use for example EVENT='{\"id\": 1}'.") from None
    check_options(options)
    aws = AwsCli(words[split + 1 :])
    plan = Plan(read_configuration(aws, options.function))
    if options.back:
        plan_back(plan)
    else:
        plan_move(plan, aws, options.layer, options.wrapper)
    aliases = list_aliases(aws, plan.name)
    print(plan.text(aliases))
    if not plan.changes:
        runtime = "this runtime" if is_ours(plan.variables.get(WRAPPER, "")) else "AWS's runtime"
        print(f"Nothing to change: {plan.name} runs on {runtime}.")
        return 0
    if not options.apply:
        print(f"Nothing has changed yet. To apply this: {command(options, words[split:])} APPLY=1")
        return 0
    apply(aws, plan)
    print(f"{plan.name} is moved{' back' if options.back else ''}.")
    undo = "" if options.back else f"{command(options, words[split:])} BACK=1 APPLY=1"
    return invoke(aws, plan, options.event, aliases, undo)


def check_options(options: argparse.Namespace) -> None:
    """Raise ToolError for a layer or a wrapper that cannot be one."""
    if options.layer and not LAYER_ARN.fullmatch(options.layer):
        example = "arn:aws:lambda:eu-west-1:123456789012:layer:python-runtime:1"
        raise ToolError(
            f"{options.layer} is not the ARN of a layer's version.", f"Use for example {example}."
        )
    if options.wrapper and not options.wrapper.startswith(("/opt/", "/var/task/")):
        raise ToolError(
            f"{options.wrapper} is not a path in a layer or in the function.",
            f"Use {IN_THE_LAYER}, or for example /var/task{IN_THE_PACKAGE}.",
        )


def is_ours(wrapper: str) -> bool:
    """Whether a wrapper is the bootstrap of this runtime."""
    return wrapper == IN_THE_LAYER or wrapper.endswith(IN_THE_PACKAGE)


def command(options: argparse.Namespace, rest: Sequence[str]) -> str:
    """Return the make command that stands for these options."""
    words = ["make move", f"FUNCTION={options.function}"]
    words += [f"LAYER={options.layer}"] if options.layer else []
    words += [f"WRAPPER={options.wrapper}"] if options.wrapper else []
    words += [f"EVENT='{options.event}'"] if options.event != EVENT else []
    words += [f"OPTIONS='{' '.join(rest[1:])}'"] if rest[1:] else []
    return " ".join([*words, *(["BACK=1"] if options.back else [])])


def read_configuration(aws: AwsCli, name: str) -> Json:
    """Return the configuration of $LATEST. Raises ToolError if it must not be changed now."""
    try:
        found: Json = aws.call("get-function-configuration", "--function-name", name)
    except AwsError as error:
        if error.code == "ResourceNotFoundException":
            error.remedy = "Check the name and the region: `aws lambda list-functions` prints all functions."
        raise
    if found.get("Version", "$LATEST") != "$LATEST":
        raise ToolError(
            f"{name} is version {found['Version']}, which cannot change.",
            f"Move {found['FunctionName']}, publish a version, and point the alias to it.",
        )
    if found.get("State") == "Pending" or found.get("LastUpdateStatus") == "InProgress":
        raise ToolError(f"{name} is being created or updated.", "Try again in a minute.")
    python = re.fullmatch(r"python3\.(\d+)", found.get("Runtime") or "")
    if python is not None and int(python[1]) < OLDEST_PYTHON:
        raise ToolError(
            f"{name} is on {found['Runtime']}; this runtime needs Python 3.{OLDEST_PYTHON} or newer.",
            "Update the function to a newer runtime first.",
        )
    if found.get("PackageType") == "Image" or python is None:
        kind = "a container image" if found.get("PackageType") == "Image" else f"on {found.get('Runtime')}"
        raise ToolError(
            f"{name} is {kind}; only functions on a managed python3.x can be moved.", "See docs/deploy.md."
        )
    if (found.get("Environment") or {}).get("Error"):
        raise ToolError(
            f"AWS does not show the variables of {name}: {found['Environment']['Error'].get('Message')}.",
            "They would be lost. Use a role that may decrypt them (kms:Decrypt).",
        )
    return found


def plan_move(plan: Plan, aws: AwsCli, layer: str | None, wrapper: str | None) -> None:
    """Add the layer, or replace another version of it, and the variable."""
    other = plan.variables.get(WRAPPER, "")
    if other and not is_ours(other):
        raise ToolError(
            f"{plan.name} already has {WRAPPER}={other}, and Lambda runs only one wrapper.",
            "Remove the other one first, if the function does not need it.",
        )
    wrapper = wrapper or other or IN_THE_LAYER
    plan.variables[WRAPPER] = wrapper
    if not layer and wrapper != IN_THE_LAYER:
        return  # the runtime is in the function's zip, or in a layer of packages that it has
    if layer:
        aws.call("get-layer-version-by-arn", "--arn", layer)  # raises if it does not exist
    else:
        layer = newest_layer(aws)
    same = [index for index, one in enumerate(plan.layers) if _name(one) == _name(layer)]
    if same:
        plan.layers[same[0]] = layer
    elif len(plan.layers) < LAYERS_LIMIT:
        plan.layers.append(layer)
    else:
        raise ToolError(
            f"{plan.name} has {len(plan.layers)} layers, and Lambda allows {LAYERS_LIMIT}.",
            "Put the runtime into the function's zip instead, with pip: see docs/your-project.md. Then use "
            "WRAPPER=/var/task/lambda_runtime/bootstrap.",
        )


def plan_back(plan: Plan) -> None:
    """Remove the variable, whichever copy of this runtime it names, and the layer."""
    if is_ours(plan.variables.get(WRAPPER, "")):
        del plan.variables[WRAPPER]
    plan.layers = [one for one in plan.layers if _name(one).rpartition(":")[2] != LAYER]


def _name(arn: str) -> str:
    """The ARN of a layer without its version."""
    return arn.rpartition(":")[0]


def newest_layer(aws: AwsCli) -> str:
    """Return the ARN of the newest version of the runtime's layer."""
    found = aws.call("list-layer-versions", "--layer-name", LAYER)
    versions = (found or {}).get("LayerVersions") or []
    if not versions:
        raise ToolError(
            f"Layer {LAYER} does not exist in this region.",
            "Publish it first, with `make dist` and `make publish ZIPS=layers/lambda.zip`, or set LAYER=ARN.",
        )
    newest: Json = max(versions, key=lambda one: int(one["Version"]))
    return str(newest["LayerVersionArn"])


def list_aliases(aws: AwsCli, name: str) -> list[Json]:
    """Return the aliases; none if this user may not list them."""
    try:
        found = aws.call("list-aliases", "--function-name", name)
    except AwsError:
        return []
    aliases: list[Json] = (found or {}).get("Aliases") or []
    return aliases


def apply(aws: AwsCli, plan: Plan) -> None:
    """Update the function and wait until Lambda uses the new configuration. Raises ToolError."""
    wanted: Json = {
        "FunctionName": plan.name,
        "Layers": plan.layers,
        "Environment": {"Variables": plan.variables},
    }
    if "RevisionId" in plan.configuration:  # so that a change that somebody else makes now is not lost
        wanted["RevisionId"] = plan.configuration["RevisionId"]
    with tempfile.TemporaryDirectory() as folder:  # readable only for us; other users can read arguments
        path = os.path.join(folder, "configuration.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(wanted, file)
        try:
            aws.call("update-function-configuration", "--cli-input-json", f"file://{path}")
        except AwsError as error:
            if error.code == "PreconditionFailedException":
                error.remedy = "Somebody else has changed the function since. Look at the changes again."
            error.remedy = f"{error.remedy} Nothing has changed.".strip()
            raise
    until = time.monotonic() + UPDATE_TIMEOUT_S
    while True:
        found = aws.call("get-function-configuration", "--function-name", plan.name)
        status = found.get("LastUpdateStatus", "Successful")
        if status == "Successful":
            return
        if status == "Failed" or time.monotonic() > until:
            reason = found.get("LastUpdateStatusReason", f"it takes longer than {UPDATE_TIMEOUT_S} s")
            raise ToolError(f"Lambda has not updated {plan.name}: {reason}.", "Look at it in the console.")
        time.sleep(1)


def invoke(aws: AwsCli, plan: Plan, event: str, aliases: Sequence[Json], undo: str) -> int:
    """Invoke the function once. If it cannot start, restore the previous configuration and return 1."""
    with tempfile.TemporaryDirectory() as folder:
        request, response = os.path.join(folder, "event.json"), os.path.join(folder, "response")
        with open(request, "w", encoding="utf-8") as file:
            file.write(event)
        reply = aws.call(
            *("invoke", "--function-name", plan.name, "--payload", f"fileb://{request}"),
            *("--cli-read-timeout", "0", response),
        )
        with open(response, "rb") as opened:
            payload = opened.read().decode("utf-8", "replace")
    if not reply.get("FunctionError"):
        print(f"Invoked with {event}: {_excerpt(payload)}")
    else:
        error_type = _error_type(payload)
        if error_type.startswith(START_ERRORS) and undo:
            apply(aws, plan.reversed(read_configuration(aws, plan.name)))
            raise ToolError(
                f"{plan.name} does not start with this runtime: {_excerpt(payload)}",
                "Its previous configuration is restored.",
            )
        print(f"Invoked with {event}, the handler failed: {_excerpt(payload)}")
    if undo:
        print(f"To take this back: {undo}")
    for alias in aliases:
        print(
            f"Alias {alias['Name']} still uses version {alias['FunctionVersion']}, which has not changed."
            f" Next: aws lambda publish-version --function-name {plan.name}, then aws lambda update-alias"
            f" --function-name {plan.name} --name {alias['Name']} --function-version VERSION"
        )
    return 0


def _error_type(payload: str) -> str:
    try:
        return str(json.loads(payload)["errorType"])
    except (ValueError, LookupError, TypeError):
        return ""


def _excerpt(payload: str) -> str:
    return payload if len(payload) <= 300 else f"{payload[:300]}…"


if __name__ == "__main__":
    sys.exit(errors.run("make move", main))
