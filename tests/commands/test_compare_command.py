import re

import pytest

from encas.search.front_finding import find_front

pytest.importorskip("matplotlib")


@pytest.fixture
def folder(tiny_pool, tmp_path):
    tiny_pool.take([0, 1, 5, 6], name="other").save(tmp_path / "other")
    return tiny_pool.save(tmp_path / "pool").path


def test_compare_writes_tables_pictures_and_a_page(encas, folder, tiny_pool, tmp_path):
    out, exact = tmp_path / "out", tmp_path / "exact.json"
    find_front(tiny_pool, evaluations=3000, max_members=2).save(exact)
    arguments = ("--algorithms", "random,grid", "--seeds", "1..3", "--evaluations", 100)
    more = ("--max-members", 2, "--test-pool", tmp_path / "other", "--reference", 0.9, 4e7)
    ran = encas("compare", folder, "--out", out, *arguments, *more, "--exact-front", exact)
    assert ran.code == 0
    assert "random" in ran.out
    page = (out / "comparison.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "The exact front has" in page
    assert "no search has seen" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert len(list(out.glob("*.png"))) == 3
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in out.glob("*.png"))
    assert len(list((out / "runs").glob("*.test.json"))) == 6


def test_compare_again_gives_the_same_json(encas, folder, tmp_path):
    arguments = ("--algorithms", "random,single", "--seeds", "1,2", "--evaluations", 30, "--json")
    ran = [encas("compare", folder, "--out", tmp_path / "out", *arguments) for _ in range(2)]
    assert ran[0].json == ran[1].json
    assert ran[0].json["format"] == "encas.comparison"
    assert [row["name"] for row in ran[0].json["algorithms"]] == ["random", "single"]


def test_compare_unknown_algorithm_is_refused(encas, folder, tmp_path):
    ran = encas("compare", folder, "--out", tmp_path / "out", "--algorithms", "random,nope")
    assert ran.code == 1
    assert "got 'nope'" in ran.err
    assert not (tmp_path / "out").exists()
