"""What a code host and a package index read: workflows, issue forms, CITATION.cff and pyproject.toml.

Not covered: that the workflows pass, which only the code host shows.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))
FORMS = [path for path in (CHECKOUT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"]
PROJECT: dict[str, Any] = msgspec.toml.decode((CHECKOUT / "pyproject.toml").read_bytes())["project"]
REPOSITORY = "https://github.com/pytest-sharedworker/pytest-sharedworker"


def load(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def list_jobs(workflow: Path) -> list[dict[str, Any]]:
    return list(load(workflow)["jobs"].values())


def list_steps(workflow: Path) -> list[dict[str, Any]]:
    return [step for job in list_jobs(workflow) for step in job["steps"]]


def find_words(value: object) -> list[str]:
    """Return the words of all texts in a value."""
    if isinstance(value, dict):
        return [word for each in value.values() for word in find_words(each)]
    if isinstance(value, list):
        return [word for each in value for word in find_words(each)]
    return str(value).split()


def test_workflows_and_forms_exist() -> None:
    assert WORKFLOWS
    assert {path.stem for path in FORMS} == {"bug", "feature"}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_scripts_and_tests_of_workflows_exist(workflow: Path) -> None:
    words = find_words([load(workflow)["jobs"]])
    scripts = {word for word in words if word.startswith("scripts/")}
    tests = {word.removeprefix("--ignore=") for word in words if re.match(r"(--ignore=)?(e2e|unit)\b", word)}
    assert scripts
    assert [script for script in sorted(scripts) if not os.access(CHECKOUT / script, os.X_OK)] == []
    assert [path for path in sorted(tests) if not (CHECKOUT / path).exists()] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_have_few_permissions_and_a_limit_of_time(workflow: Path) -> None:
    assert load(workflow)["permissions"] == {"contents": "read"}
    jobs = list_jobs(workflow)
    assert [job for job in jobs if "permissions" in job or "timeout-minutes" not in job] == []
    checkouts = [
        step["with"] for step in list_steps(workflow) if step.get("uses", "").startswith("actions/checkout@")
    ]
    assert checkouts == [{"persist-credentials": False}] * len(jobs)


def test_workflow_runs_every_python_and_keeps_results() -> None:
    (workflow,) = WORKFLOWS
    matrix = load(workflow)["jobs"]["test"]["strategy"]["matrix"]
    classifiers = [each.rpartition(" ")[2] for each in PROJECT["classifiers"] if "Python :: 3." in each]
    assert set(classifiers) <= set(matrix["python"])
    assert {each["browser"] for each in matrix["include"]} == set(matrix["browser"])
    kept = {
        step["with"]["path"] for step in list_steps(workflow) if "upload-artifact" in step.get("uses", "")
    }
    assert kept == {"site/", "test-results/", "report/"}


def test_workflow_tests_in_webkit_what_the_script_does() -> None:
    (workflow,) = WORKFLOWS
    included = load(workflow)["jobs"]["test"]["strategy"]["matrix"]["include"]
    (webkit,) = [each["tests"] for each in included if each["browser"] == "webkit"]
    script = (CHECKOUT / "scripts" / "test").read_text(encoding="utf-8")
    lists = re.findall(r"^(?:engines|webkit)=.*", script, re.MULTILINE)
    command = [*lists, 'printf "%s\\n" "${webkit[@]}"']
    files = subprocess.run(["bash", "-c", "\n".join(command)], capture_output=True, text=True, check=True)
    assert set(re.findall(r"e2e/\S+\.py", webkit)) == set(files.stdout.split())


def test_tests_that_the_script_names_exist() -> None:
    script = (CHECKOUT / "scripts" / "test").read_text(encoding="utf-8")
    lists = script[script.index("engines=(") : script.index("\n[ ")]
    command = f'{lists}\nprintf "%s\\n" "${{firefox[@]}}"'
    tests = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout.split()
    assert len(tests) > 20
    for file, _, name in (test.partition("::") for test in tests):
        text = (CHECKOUT / file).read_text(encoding="utf-8")
        assert not name or f"\ndef {name}(" in text


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.name)
def test_issue_forms_are_complete(form: Path) -> None:
    content = load(form)
    assert content["name"]
    assert content["description"]
    ids = [field["id"] for field in content["body"]]
    assert len(set(ids)) == len(ids)
    assert all(field["attributes"]["label"] for field in content["body"])
    assert {field["type"] for field in content["body"]} <= {"textarea", "input", "dropdown"}


def test_citation_is_of_this_project() -> None:
    citation = load(CHECKOUT / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"] == PROJECT["name"]
    assert str(citation["version"]) == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert all(citation[key] for key in ("abstract", "authors", "keywords", "message"))


def test_addresses_are_of_one_repository() -> None:
    contact = load(CHECKOUT / ".github" / "ISSUE_TEMPLATE" / "config.yml")["contact_links"][0]["url"]
    citation = load(CHECKOUT / "CITATION.cff")["repository-code"]
    assert PROJECT["urls"]["Repository"] == REPOSITORY
    assert {
        url for url in (*PROJECT["urls"].values(), contact, citation) if not url.startswith(REPOSITORY)
    } == set()
    assert contact in (CHECKOUT / "SECURITY.md").read_text(encoding="utf-8")
