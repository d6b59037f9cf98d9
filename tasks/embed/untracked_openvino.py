"""OpenVINO without its reports: import it from here and nowhere else.

By itself it sends its makers an event for every import and every conversion. Where the package that
sends them is missing it does without, and `None` is how Python marks a module as missing.
"""

import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # see above

import openvino  # type: ignore[import-untyped]  # noqa: E402, TID251 - after the line above, here alone; ships no types

__all__ = ["openvino"]
