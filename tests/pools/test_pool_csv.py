import numpy as np
import pytest

from encas.errors import PoolError
from encas.pools.import_pool import import_pool
from encas.pools.pool_csv import read_matrix, read_models, read_pool_csv, read_values

TABLE = """label,a:cat,a:dog,b:x:cat,b:x:dog
0,0.9,0.1,0.8,0.2

1,0.4,0.6,0.5,0.5
"""


@pytest.fixture
def table(tmp_path):
    (tmp_path / "in.csv").write_text(TABLE)
    return tmp_path / "in.csv"


def test_table_has_a_column_for_each_class_of_each_model(table):
    arrays = read_pool_csv(table)
    assert (arrays["name"].tolist(), arrays["classes"].tolist()) == (["a", "b:x"], ["cat", "dog"])
    assert np.array_equal(arrays["outputs"][0], [[0.9, 0.1], [0.4, 0.6]])
    assert arrays["label"].tolist() == [0, 1]


def test_table_of_models_beside_it_comes_in_any_order(table):
    beside = table.with_suffix(".models.csv")
    beside.write_text("name,macs,kind,joules\nb:x,9,probabilities,.5\na,1,probabilities,.25\n")
    pool = import_pool(table)
    assert pool.costs("macs").tolist() == [1, 9]
    assert pool.costs("joules").tolist() == [0.25, 0.5]
    beside.write_text("name,macs\na,1\nc,1\n")
    with pytest.raises(PoolError, match="one line for each model .* the difference: b:x, c"):
        import_pool(table)


def test_labels_may_be_names_of_the_classes(table):
    table.write_text(TABLE.replace("\n0,", "\ncat,").replace("\n1,", "\ndog,"))
    (table.parent / "costs.csv").write_text("name,macs\na,1\nb:x,2\n")
    pool = import_pool(table, costs=table.parent / "costs.csv", name="mine")
    assert (pool.label.tolist(), pool.name) == ([0, 1], "mine")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            "0.1,0.9\n0.2,0.8\n",
            "expected the header label,MODEL:CLASS,.. .* got no header;",
        ),
        ("label,a,b\n0,1,2\n", "got 'label,a,b'"),
        ("", "got ''"),
        ("label,a:0,a:1,b:1,b:0\n0,1,0,1,0\n", "the classes of b are others"),
        ("label,a:0,a:0\n0,1,0\n", "a class comes twice"),
        ("label,a:0,a:1\n0,1\n", "line 2: expected 3 cells, got 2"),
        ("label,a:0,a:1\n0,1,much\n", "expected numbers, got 'much'"),
    ],
)
def test_table_with_faults_is_refused(table, text, match):
    table.write_text(text)
    with pytest.raises(PoolError, match=match):
        read_pool_csv(table)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("model,macs\na,1\n", "expected a first line name,kind,macs"),
        ("name,macs\na\n", "line 2: expected 2 cells, got 1"),
        ("name,macs\na,x\n", "expected numbers, got 'x'"),
    ],
)
def test_table_of_models_with_faults_is_refused(table, text, match):
    table.write_text(text)
    with pytest.raises(PoolError, match=match):
        read_models(table)


def test_matrix_and_values_may_have_a_header(tmp_path):
    (tmp_path / "m.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "label.csv").write_text("label\n1\n0\n")
    assert read_matrix(tmp_path / "m.csv").tolist() == [[1, 2], [3, 4]]
    assert read_values(tmp_path / "label.csv").tolist() == [1, 0]
    (tmp_path / "m.csv").write_text("1,2\n3\n")
    with pytest.raises(PoolError, match=r"as many numbers, got \[1, 2\]"):
        read_matrix(tmp_path / "m.csv")
    with pytest.raises(PoolError, match="one value in each line"):
        read_values(tmp_path / "m.csv")


def test_file_that_is_no_text_is_refused(table):
    table.write_bytes(b"\xff\xfe\x00label")
    with pytest.raises(PoolError, match="not a CSV file"):
        read_pool_csv(table)
