"""Costs from a CSV file: every fault named, cells that may be empty."""

import pytest

from encas.errors import PoolError
from encas.pools.cost_table import read_costs, with_costs


@pytest.fixture
def write(tmp_path):
    def write_text(text):
        path = tmp_path / "costs.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write_text


def test_table_is_read_with_empty_cells_and_lines_left_out(write):
    table = read_costs(write("\ufeffname,joules,dollars\na,0.5,1e-7\n\n b , 2,\n"))
    assert table == {"a": {"joules": 0.5, "dollars": 1e-7}, "b": {"joules": 2.0}}


@pytest.mark.parametrize("text", ["", "model,joules\n", "name\n", "name,a,a\n", "name,,b\n"])
def test_table_without_a_proper_first_line_is_refused(write, text):
    with pytest.raises(PoolError, match=r"expected a first line name,COST,\.\.\. with different"):
        read_costs(write(text))


def test_table_with_faults_names_all_of_them(write):
    text = "name,joules\na,-1\nb,x\nb2,inf\nc\na,2\nd,1\nd,3\n"
    with pytest.raises(PoolError) as caught:
        read_costs(write(text))
    assert caught.value.faults == (
        "line 2: joules must be a finite number >= 0, got '-1'",
        "line 3: joules must be a finite number >= 0, got 'x'",
        "line 4: joules must be a finite number >= 0, got 'inf'",
        "line 5: expected 2 cells, got 1",
        "line 6: the model 'a' comes twice",
        "line 8: the model 'd' comes twice",
    )


def test_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(PoolError, match=r"costs.csv: no such file"):
        read_costs(tmp_path / "costs.csv")


def test_table_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "costs.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PoolError, match="not a CSV file"):
        read_costs(tmp_path / "costs.csv")


def test_costs_are_added_to_the_models_that_the_table_names(tiny_pool):
    models = with_costs(tiny_pool.models, {"middle": {"joules": 3.0, "macs": 9.0}}, where="t.csv")
    assert models[0] == tiny_pool.models[0]
    assert models[1].costs == {"macs": 9.0, "params": 5e3, "joules": 3.0}


def test_costs_of_unknown_models_are_refused(tiny_pool):
    with pytest.raises(PoolError, match=r"2 models of the table are not in the pool \(first: x\)"):
        with_costs(tiny_pool.models, {"y": {}, "x": {}, "cheap": {}}, where="t.csv")
