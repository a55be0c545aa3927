"""The configuration: one TOML file, validated whole before anything starts, every mistake with its place."""

from .load import load
from .model import Config

__all__ = ["Config", "load"]
