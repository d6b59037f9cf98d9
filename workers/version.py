"""The version of the installed application."""

from importlib.metadata import version

VERSION = version("mnemolite")
