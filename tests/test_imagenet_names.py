"""Every way to name ImageNet's classes leads to the same outputs."""

import pytest

from encas.imagenet_names import TABLE, imagenet_places

ROWS = [line.split("\t") for line in TABLE.read_text("utf-8").splitlines() if line[0] == "n"]
SYNSETS = [row[0] for row in ROWS]
LEMMAS = [row[1] for row in ROWS]


@pytest.mark.parametrize(
    "names",
    [SYNSETS, LEMMAS, [str(i) for i in range(1000)], [text.split(", ")[0] for text in LEMMAS]],
    ids=["synsets", "lemmas", "numbers", "first lemmas"],
)
def test_places_of_all_names_are_the_networks_order(names):
    expected = tuple(range(1000))
    # "crane" and "maillot" stand for two classes each; here their places say which.
    assert imagenet_places(names, numbers=False) == expected


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("tench", 0),
        ("Tinca tinca", 0),
        ("TENCH", 0),
        ("great_white_shark", 2),
        ("partridge", 86),
        ("Cardigan", 264),
        ("cardigan", 474),
        ("crayfish", 124),
        ("crane bird", 134),
        ("maillot tank suit", 639),
    ],
)
def test_places_of_one_name_are_those_of_the_class_it_means_first(name, place):
    assert imagenet_places([name], numbers=False) == (place,)


def test_places_of_crane_are_what_the_other_crane_leaves():
    assert imagenet_places(["crane", "n02012849"], numbers=False) == (517, 134)


@pytest.mark.parametrize(
    "names",
    [["tench", "no such thing"], ["tench", "n01440764"], ["crane"], ["0", "1"], ["0", "007"]],
    ids=["foreign", "twice", "of two meanings", "few numbers", "no number"],
)
def test_places_of_other_names_are_none(names):
    assert imagenet_places(names, numbers=False) is None


def test_places_of_some_numbers_are_taken_where_they_are_known_to_be_imagenets():
    assert imagenet_places(["3", "17"], numbers=True) == (3, 17)
    assert imagenet_places(["3", "1000"], numbers=True) is None
    assert imagenet_places(["3", "3"], numbers=True) is None
