import numpy as np
import pytest


@pytest.fixture
def file(tiny_pool, tmp_path):
    np.savez(
        tmp_path / "tiny.npz",
        outputs=np.stack(tiny_pool.outputs),
        label=tiny_pool.label,
        name=np.array(tiny_pool.names),
        macs=tiny_pool.costs("macs"),
    )
    return tmp_path / "tiny.npz"


def test_import_show_export_round_trip(encas, file, tmp_path):
    imported = encas("pool", "import", file, "--out", tmp_path / "pool", "--json")
    assert imported.code == 0
    shown = encas("pool", "show", tmp_path / "pool", "--json").json
    assert shown == imported.json
    assert [model["name"] for model in shown["models"]] == ["cheap", "middle", "dear"]
    assert [model["accuracy"] for model in shown["models"]] == [5 / 8, 6 / 8, 1.0]
    low, high = shown["models"][0]["interval"]
    assert low < 5 / 8 < high
    assert encas("pool", "export", tmp_path / "pool", "--out", tmp_path / "again.npz").code == 0
    again = encas("pool", "import", tmp_path / "again.npz", "--out", tmp_path / "p2", "--json")
    assert again.json["sha256"] == shown["sha256"]


def test_show_for_people_has_a_row_for_each_model(encas, file, tmp_path):
    ran = encas("pool", "import", file, "--out", tmp_path / "pool", "--name", "mine")
    assert "mine: 3 models, 8 samples, 3 classes" in ran.out
    assert "0.6250" in ran.out


def test_import_bad_file_leaves_nothing(encas, tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"PK")
    ran = encas("pool", "import", tmp_path / "bad.npz", "--out", tmp_path / "pool")
    assert ran.code == 1
    assert "truncated or not an .npz file" in ran.err
    assert not (tmp_path / "pool").exists()


def test_check_damaged_pool_is_refused(encas, tiny_pool, tmp_path):
    tiny_pool.save(tmp_path / "pool")
    assert encas("pool", "check", tmp_path / "pool").code == 0
    label = tmp_path / "pool" / "label.npy"
    data = bytearray(label.read_bytes())
    data[-8] ^= 3
    label.write_bytes(bytes(data))
    ran = encas("pool", "check", tmp_path / "pool")
    assert ran.code == 1
    assert "label.npy: the content is not the one hashed" in ran.err


def test_calibrate_fits_and_carries_temperatures(encas, tiny_pool, tmp_path):
    tiny_pool.save(tmp_path / "pool")
    fitted = encas("pool", "calibrate", tmp_path / "pool", "--out", tmp_path / "a", "--json").json
    arguments = ("--like", tmp_path / "a", "--out", tmp_path / "b", "--json")
    carried = encas("pool", "calibrate", tmp_path / "pool", *arguments).json
    assert carried["temperatures"] == fitted["temperatures"]
    assert set(fitted["temperatures"]) == {"cheap", "middle", "dear"}
    assert encas("pool", "check", tmp_path / "b").code == 0
