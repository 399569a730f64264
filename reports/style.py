"""The style sheets that lie beside this file, as text to be put into a page or a chart."""

from __future__ import annotations

import re
from importlib import resources


def style(*names: str) -> str:
    """The style sheets `NAME.css`, one after the other, without needless white space."""
    folder = resources.files(f"{__package__}")
    sheets = [folder.joinpath(f"{name}.css").read_text("utf-8") for name in names]
    return re.sub(r"\s*\n\s*", " ", "\n".join(sheets)).strip()
