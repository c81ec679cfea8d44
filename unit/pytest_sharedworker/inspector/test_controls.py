"""The toxics that a form of the inspector adds: attributes come as texts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_sharedworker import Bandwidth, Down, DropResponse, HttpStatus, Latency, Toxic
from pytest_sharedworker.errors import SharedWorkerError, ToxicError
from pytest_sharedworker.inspector.controls import describe_toxics, read_attributes

KINDS = {kind["name"]: kind["attributes"] for kind in describe_toxics()}


def make(name: str, **texts: str) -> Toxic:
    kind = Toxic.kinds[name]
    return kind(**read_attributes(kind, texts))


@pytest.mark.parametrize("name", KINDS)
def test_form_of_every_toxic_makes_it_with_its_defaults(name: str) -> None:
    texts = {each["name"]: each["value"] or "200" for each in KINDS[name]}
    assert make(name, **texts).name == name


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (make("latency", latency="300", jitter=""), Latency(300)),
        (make("bandwidth", rate="0.5"), Bandwidth(0.5)),
        (make("http_status", status="503", body="null"), HttpStatus(503, "null")),
        (make("http_status", status="503", body='""'), HttpStatus(503)),
        (make("down", at_worker_start="true"), Down(at_worker_start=True)),
        (make("drop_response"), DropResponse()),
    ],
    ids=str,
)
def test_texts_become_the_attributes_they_mean(made: Toxic, expected: Toxic) -> None:
    assert made == expected


@pytest.mark.parametrize(
    ("name", "texts", "reason"),
    [
        ("latency", {}, "needs latency"),
        ("latency", {"latency": ""}, "needs latency"),
        ("latency", {"latency": "soon"}, "latency of the toxic latency cannot be 'soon'"),
        ("latency", {"latency": "1", "speed": "2"}, "has no 'speed'"),
        ("latency", {"latency": "NaN"}, "needs a number of at least 0"),
        ("latency", {"latency": "1e999"}, "needs a number of at least 0"),
        ("http_status", {"status": "[503]"}, "status"),
    ],
)
def test_text_that_is_no_attribute_is_refused(name: str, texts: dict[str, str], reason: str) -> None:
    with pytest.raises((SharedWorkerError, ToxicError), match=reason.replace("[", r"\[")):
        make(name, **texts)


def test_plugin_does_not_import_the_inspector() -> None:
    script = (
        "import sys, pytest_sharedworker.plugin;"
        "print([name for name in sys.modules if 'sharedworker.inspector' in name])"
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"
