"""The fixture ``lambda_function`` in a user's repository: shared functions, settings, reports of failures."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from conformance.testing.project import Project, page_commands, page_files

APP = """
    import os, time
    def pid(event, context):
        print("pid asked by", event)
        return os.getpid()
    def fail(event, context):
        raise ValueError("out of stock")
    def wait(event, context):
        time.sleep(9)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, {"pytest.ini": "[pytest]\nlambda_task_root = src", "src/app.py": APP})


@pytest.fixture
def page(tmp_path: Path) -> Project:
    return Project(tmp_path, page_files())


@pytest.mark.parametrize("words", [[], ["-n", "2"]], ids=["pytest", "xdist"])
def test_the_tests_of_the_page_pass(page: Project, words: list[str]) -> None:
    expected = sum(len(re.findall(r"^ *def test_", text, re.MULTILINE)) for text in page_files().values())
    outcomes, output = page.pytest(*words)
    assert outcomes == {"passed": expected}, output


def test_the_other_commands_of_the_page_work(page: Project) -> None:
    modules = {
        command: shown for command, shown in page_commands().items() if command.startswith("python3 -m ")
    }
    others = {command for command in page_commands() if command not in modules}
    assert others == {"pip install pytest", "pytest"}  # tried in the publish suite, and above
    assert len(modules) == 2
    for command, shown in modules.items():
        status, output = page.run(*shlex.split(command)[2:])
        assert (status, output.rstrip().endswith(shown)) == (0, True), output


def test_a_session_has_one_process_for_each_handler_with_its_options(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        from pathlib import Path
        def test_first(lambda_function):
            Path("pid").write_text(str(lambda_function("app.pid", timeout=30).invoke().payload))
        """,
    )
    project.write(
        "test_b.py",
        """
        from pathlib import Path
        def test_same(lambda_function):
            assert int(Path("pid").read_text()) == lambda_function("app.pid", timeout=30).invoke().payload
        def test_other(lambda_function):
            other = lambda_function("app.pid", timeout=30, env={"A": "1"})
            assert int(Path("pid").read_text()) != other.invoke().payload
        """,
    )
    outcomes, output = project.pytest()
    assert outcomes == {"passed": 3}, output
    assert not Path("/proc", (project.folder / "pid").read_text()).exists()


def test_the_report_of_a_failure_has_the_log_of_the_test_only(project: Project) -> None:
    project.write(
        "test_app.py",
        """
        def test_passes(lambda_function):
            assert lambda_function("app.pid", timeout=30).invoke("EARLIER").payload
        def test_differs(lambda_function):
            assert lambda_function("app.pid", timeout=30).invoke("NOW").payload == 0
        """,
    )
    outcomes, output = project.pytest()
    assert outcomes == {"failed": 1, "passed": 1}
    assert "- Lambda log of app.pid -" in output
    assert "pid asked by NOW" in output
    assert "EARLIER" not in output.split("Lambda log of")[1]


def test_reading_the_payload_of_a_failure_shows_the_error_and_the_log_once(project: Project) -> None:
    project.write(
        "test_app.py",
        """
        def test_fails(lambda_function):
            assert lambda_function("app.fail").invoke().payload == 7
        """,
    )
    outcomes, output = project.pytest()
    assert outcomes == {"failed": 1}
    assert re.search(r"^E .*FunctionFailed: app.fail failed: ValueError: out of stock$", output, re.MULTILINE)
    report = output.partition("short test summary")[0]  # which repeats the message in CI
    assert report.count("Traceback") == 1, output
    assert "responses.py" not in report  # the test's own line is enough


def test_a_handler_that_cannot_be_loaded_fails_each_of_its_tests_with_the_init_error(
    project: Project,
) -> None:
    project.write(
        "test_app.py",
        """
        import pytest
        @pytest.fixture(scope="session")
        def broken(lambda_function):
            return lambda_function("missing.handler")
        def test_in_the_test(lambda_function):
            lambda_function("missing.handler")
        def test_in_a_fixture(broken):
            pass
        def test_of_another(lambda_function):
            assert lambda_function("app.pid", timeout=30).invoke().payload
        """,
    )
    outcomes, output = project.pytest()
    assert outcomes == {"failed": 1, "passed": 1, "error": 1}, output
    message = "FunctionFailed: missing.handler cannot be loaded: Runtime.ImportModuleError: Unable to import"
    assert len(re.findall(f"^E .*{message}", output, re.MULTILINE)) == 2
    assert "testing.py" not in output.partition("short test summary")[0]


def test_the_task_root_is_relative_to_the_settings_or_is_the_rootdir(
    project: Project, tmp_path: Path
) -> None:
    test = """
        def test_it(lambda_function):
            assert lambda_function("app.pid", timeout=30).invoke().payload
    """
    project.write("tests/test_app.py", test)
    outcomes, output = project.pytest(cwd="tests")
    assert outcomes == {"passed": 1}, output
    without = Project(tmp_path / "second", {"app.py": APP, "test_app.py": test})
    outcomes, output = without.pytest("--rootdir=.", cwd=".")
    assert outcomes == {"passed": 1}, output


def test_a_task_root_that_does_not_exist_is_explained(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\nlambda_task_root = source")
    project.write("test_app.py", "def test_it(lambda_function):\n    lambda_function('app.pid')\n")
    outcomes, output = project.pytest()
    assert outcomes == {"failed": 1}
    assert f"{project.folder}/source does not exist; set task_root to the folder" in output


def test_a_timeout_is_reported_and_the_next_test_has_a_new_process(project: Project) -> None:
    project.write(
        "test_app.py",
        """
        import pytest
        @pytest.mark.parametrize("number", range(2))
        def test_it(lambda_function, number):
            error = lambda_function("app.wait", timeout=0.2).invoke().error
            assert error["errorMessage"].endswith("Task timed out after 0.20 seconds")
        """,
    )
    outcomes, output = project.pytest()
    assert outcomes == {"passed": 2}, output
