"""What is compared for each function: this runtime, AWS's, a web server behind an adapter, and the floor."""

from __future__ import annotations

import socket

from benchmarks.runtimes import Contestant, Installation
from benchmarks.scenarios import Scenario
from benchmarks.task_roots import TaskRoots

OURS = "ours"
OURS_PLAIN = "ours without bytecode"
BUNDLE = "ours with a bundle"
AWS = "AWS's"
AWS_PLAIN = "AWS's without bytecode"
SERVER = "uvicorn"
LOOP = "socket loop"  # sends the event back as it is
JSON_LOOP = "socket loop with json"
INTERPRETER = "interpreter"
ISOLATED = "interpreter with -I -S"
JSON_ALONE = "json alone"
SENDALL = "sendall loop"


class Contestants:
    """Makes the contestants for a scenario."""

    def __init__(self, installation: Installation, roots: TaskRoots) -> None:
        self.installation = installation
        self.roots = roots

    def pair(self, scenario: Scenario) -> list[Contestant]:
        """Return the two runtimes with equal bytecode."""
        root = self.roots.compiled(*scenario.packages)
        ours, aws = self.installation.ours, self.installation.aws
        aws_handler = scenario.aws_handler or scenario.handler
        return [
            Contestant(OURS, ours.command_for(scenario.handler), scenario.handler, root),
            Contestant(AWS, aws.command_for(aws_handler), aws_handler, root),
        ]

    def pair_without_bytecode(self, scenario: Scenario) -> list[Contestant]:
        root = self.roots.plain(*scenario.packages)
        names = OURS_PLAIN, AWS_PLAIN
        return [
            Contestant(name, one.command, one.handler, root) for name, one in zip(names, self.pair(scenario))
        ]

    def others(self, scenario: Scenario) -> list[Contestant]:
        """Return our bundle and the web server behind an adapter, if the scenario has them."""
        found = []
        if scenario.has_bundle:
            ours, _ = self.pair(scenario)
            found.append(Contestant(BUNDLE, ours.command, ours.handler, self.roots.bundled(scenario)))
        if scenario.server:
            port = str(free_port())
            server = [argument.replace("{port}", port) for argument in scenario.server]
            python = self.installation.python
            command = self.installation.program("adapter", port, python, "-m", *server)
            root = self.roots.compiled(*scenario.packages)
            found.append(Contestant(SERVER, command, scenario.handler, root, has_adapter=True))
        return found

    def json_loop(self, scenario: Scenario) -> Contestant:
        """Return the floor: it imports the function's module if it has packages, and does not call it."""
        modules = [scenario.module] if scenario.packages or scenario.log_line else []
        return self.floor(JSON_LOOP, "socket_loop", scenario, "--json", *modules)

    def loop(self, scenario: Scenario) -> Contestant:
        return self.floor(LOOP, "socket_loop", scenario)

    def floor(self, name: str, program: str, scenario: Scenario, *arguments: str) -> Contestant:
        command = self.installation.program(program, *arguments)
        return Contestant(
            name, command, scenario.handler, self.roots.compiled(*scenario.packages), echoes=True
        )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
