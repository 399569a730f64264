"""The options of a build."""

from encas.pools.building.build_options import BuildOptions


def test_options_without_a_word_store_all_of_it_as_float32():
    options = BuildOptions()
    assert (options.stored, options.rows, options.columns, options.costs) == (
        "float32", None, None, {},
    )  # fmt: skip
