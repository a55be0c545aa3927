"""Finding a node's type in the source of its pack."""

from __future__ import annotations

import pytest

from safelight.services.comfyui_source import Source

MAPPED = """
class SaveImage:
    FUNCTION = "save"
    def save(self):
        write()

class PreviewImage(SaveImage):
    pass

class Blur:
    def blur(self):
        def inner():
            fail()
        inner()

class Twice:
    def run(self):
        fail()

class Helper:
    def run(self):
        fail()

NODE_CLASS_MAPPINGS = {"SaveImage": SaveImage, "PreviewImage": PreviewImage, "ImageBlur": Blur, "A": Twice, "B": Twice}
"""
SCHEMA = """
class Blur(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="ImageBlur", inputs=[io.Image.Input("image")])

    @classmethod
    async def execute(cls, image) -> io.NodeOutput:
        fail()
"""


def line_of(text, wanted, nth=0):
    return [number for number, line in enumerate(text.splitlines(), 1) if wanted in line][nth]


def test_a_class_in_the_mappings_is_its_node():
    assert Source.parse(MAPPED).node_at(line_of(MAPPED, "fail()"), "blur") == "ImageBlur"


def test_a_schema_names_its_node():
    assert Source.parse(SCHEMA).node_at(line_of(SCHEMA, "fail()"), "execute") == "ImageBlur"


def test_the_mappings_of_the_package_count():
    text = MAPPED.split("NODE_CLASS", maxsplit=1)[0]
    package = "from .nodes import Blur\nNODE_CLASS_MAPPINGS: dict = {'Pack Blur': Blur}"
    assert Source.parse(text, package).node_at(line_of(text, "fail()"), "blur") == "Pack Blur"


@pytest.mark.parametrize(
    ("line", "function"),
    [
        (line_of(MAPPED, "write()"), "save"),  # PreviewImage runs it too
        (line_of(MAPPED, "fail()", 1), "run"),  # registered under two names
        (line_of(MAPPED, "fail()", 2), "run"),  # not a node
        (line_of(MAPPED, "fail()"), "other"),
        (1, "blur"),
        (10_000, "blur"),
    ],
)
def test_where_more_than_one_node_or_none_can_be_meant_none_is_named(line, function):
    assert Source.parse(MAPPED).node_at(line, function) is None


BUILT = """
class Base:
    @classmethod
    def INPUT_TYPES(cls):
        return {}
    FUNCTION = "shared"
    def shared(self):
        shared()

class Heir(Base):
    pass

class Blur:
    FUNCTION: str = "blur"
    @classmethod
    def INPUT_TYPES(cls):
        return {}
    def blur(self):
        blur()
    def helper(self):
        helper()

class Loader:
    FUNCTION = "load"
    def load(self):
        load()

NODE_CLASS_MAPPINGS = {c.__name__: c for c in (Base, Heir, Blur)}
"""


@pytest.mark.parametrize(
    ("marker", "function", "node"),
    [
        ("  blur()", "blur", "Blur"),
        ("  helper()", "helper", None),  # not what FUNCTION names
        ("  shared()", "shared", None),  # Heir runs it too
        ("  load()", "load", None),  # no INPUT_TYPES: not a node by its looks
    ],
)
def test_mappings_that_are_not_written_out_name_a_node_by_its_class(marker, function, node):
    assert Source.parse(BUILT).node_at(line_of(BUILT, marker), function) == node


def test_mappings_that_are_written_out_come_before_the_name_of_the_class():
    package = "NODE_CLASS_MAPPINGS = {'Pack Blur': Blur}"
    assert Source.parse(BUILT, package).node_at(line_of(BUILT, "  blur()"), "blur") == "Pack Blur"
