"""Names of models: what is fit for a folder and for a path in a URL."""

from __future__ import annotations

import re

MAX_LENGTH = 128


def model_name(text: str) -> str:
    """`text` with everything but ASCII letters, digits, `_`, `-` and `.` replaced by `_`."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", text)[:MAX_LENGTH]
    return name if name.strip(".") else f"model_{name}"
