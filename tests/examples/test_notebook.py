"""The notebook runs from its first cell to its last, in a kernel of this Python."""

from pathlib import Path

import nbformat
import pytest
from ipykernel.kernelspec import write_kernel_spec
from nbclient import NotebookClient

FILE = Path(__file__).resolve().parents[2] / "examples" / "notebook.ipynb"
# Tests run beside others: any three windows agree.
PATIENCE = """
from encas.jobs import measure_latency
from encas.runtime.clock import StabilityProtocol
measure_latency.PATIENT = StabilityProtocol(
    window=3, tolerance=20.0, min_window_ms=0.5, max_windows=200
)
"""


@pytest.fixture
def notebook() -> nbformat.NotebookNode:
    return nbformat.read(FILE, as_version=4)


def test_notebook_holds_no_outputs(notebook):
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


@pytest.mark.slow
def test_notebook_runs_to_its_end(notebook, tmp_path, monkeypatch):
    write_kernel_spec(tmp_path / "kernels" / "this-python")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook.cells.insert(0, nbformat.v4.new_code_cell(PATIENCE))
    client = NotebookClient(notebook, kernel_name="this-python", timeout=300)
    ran = client.execute()
    shown = [output for cell in ran.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in shown)
    html = "".join(output.get("data", {}).get("text/html", "") for output in shown)
    assert "Pool(&#x27;digits&#x27;, 3 models, " in html
    assert "Front(&#x27;digits-search&#x27;, " in html
