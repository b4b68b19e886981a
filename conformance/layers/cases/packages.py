"""Packages in a layer."""

from __future__ import annotations

import json

from conformance.expectations import expect
from conformance.layers import system
from conformance.layers.workshop import Workshop, case, for_this_computer
from conformance.suite import Observation

GROUP = "Packages"

MULTIPLY = """\
import numpy

def handler(event, context):
    matrix = numpy.array(event)
    return {"product": (matrix @ matrix).tolist(), "file": numpy.__file__, "version": numpy.__version__}
"""


def multiply(workshop: Workshop, *archives: object, kind: system.Kind = system.OWN) -> Observation:
    """A function that multiplies matrices with the numpy in the zips."""
    opt = workshop.unzip(*archives)  # type: ignore[arg-type]
    task = workshop.task({"multiply.py": MULTIPLY})
    found = workshop.invoke(opt, task, [[1, 2], [3, 4]], "multiply.handler", kind)
    assert isinstance(found, dict)
    expect("product", found["product"], [[7, 10], [15, 22]])
    expect("where it is from", found["file"], "/opt/python/numpy/__init__.py")
    return f"numpy {found['version']}"


@case(GROUP, "numpy from a layer imports and multiplies")
def numpy(workshop: Workshop) -> Observation:
    return multiply(workshop, workshop.layer(), workshop.interpreter(), workshop.packages())


@case(GROUP, "numpy for the other architecture is refused by make verify-layer")
def other_architecture(workshop: Workshop) -> Observation:
    settings = {"ARCH": system.OTHER.name, "ZIP": workshop.packages()}
    outcome = workshop.make("verify-layer", {**for_this_computer(), **settings})
    expect("exit status", outcome.status, 2)  # make's, of a tool that ended with 1
    lines = [line for line in outcome.output.splitlines() if line.startswith("error")]
    return f"{len(lines)} lines, the first: {json.dumps(lines[0])}"
