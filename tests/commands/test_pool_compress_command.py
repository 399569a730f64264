"""`encas pool compress`."""

import pytest

from encas.pools.pool import Pool


def test_compressed_pool_is_searched_as_the_whole_one(encas, tiny_pool, tmp_path):
    tiny_pool.save(tmp_path / "pool")
    ran = encas("pool", "compress", tmp_path / "pool", "--out", tmp_path / "small", "--json")
    assert ran.json["max_members"] == 3
    assert "instead of" in " ".join(encas("pool", "compress", tmp_path / "pool").out.split())
    fronts = []
    for name in ("pool", "small"):
        ran = encas("search", tmp_path / name, "--out", tmp_path / f"{name}.json", "--json")
        assert ran.json["search"]["algorithm"] == "exact"
        fronts.append(ran.json["cascades"])
    assert fronts[0] == fronts[1]


def test_options_are_those_of_the_contenders(encas, tiny_pool, tmp_path):
    tiny_pool.save(tmp_path / "pool")
    call = ("pool", "compress", tmp_path / "pool", "--out", tmp_path / "small")
    made = encas(*call, "--max-members", 2, "--json").json
    assert (made["max_members"], made["path"]) == (2, str(tmp_path / "small" / "contenders"))
    assert Pool.load(tmp_path / "small").names == tiny_pool.names
    assert "already" in encas(*call, "--max-members", 2).err
    assert encas(*call, "--max-members", 1, "--overwrite", "--json").json["max_members"] == 1


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (("--confidence", "luck"), 2, "'luck' is not one of"),
        (("--max-members", "x"), 2, "'x' is not a valid integer"),
    ],
)
def test_bad_options_are_one_line(encas, tiny_pool, tmp_path, words, code, fault):
    tiny_pool.save(tmp_path / "pool")
    ran = encas("pool", "compress", tmp_path / "pool", *words)
    assert (ran.code, fault in ran.err) == (code, True)
