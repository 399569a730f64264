from pathlib import Path

import pytest

from encas.data.class_folders import FolderListing, class_folders, natural_order
from encas.errors import DataError


def found_in(*files: str, folders: tuple[str, ...] = (), is_zip: bool = False):
    listing = FolderListing(root=Path("data"), files=files, folders=folders, is_zip=is_zip)
    return class_folders(listing)


def test_classes_are_the_folders_with_images_anywhere_below():
    found = found_in("a/1.png", "a/below/2.JPG", "b/3.webp", "notes.txt", "b/.hidden.png")
    assert found.images == {"a": ["a/1.png", "a/below/2.JPG"], "b": ["b/3.webp"]}
    assert found.notes == ()


def test_folder_around_the_classes_counts_in_a_zip_alone():
    files = ("data/a/1.png", "data/b/2.png")
    assert set(found_in(*files, is_zip=True).images) == {"a", "b"}
    found = found_in(*files)
    assert set(found.images) == {"data"}
    assert found.notes == ("the only class is 'data'; if a, b are the classes, give data/data",)


def test_only_class_with_images_in_it_is_said_nothing_of():
    assert found_in("a/1.png", "a/below/2.png").notes == ()


@pytest.mark.parametrize("is_zip", [False, True])
def test_every_class_folder_without_an_image_is_named(is_zip):
    files = ("a/1.png", "b/1.png", "gifs/1.gif", "gifs/deep/2.GIF", "words/x.txt", ".git/x")
    told = (
        r"data: 3 faults: the class folder 'empty' is empty: .*"
        r"'gifs' has no image of a known type, but files of other types \(2 \.gif\): convert.*"
        r"'words' has no image .* \(1 \.txt\)"
    )
    with pytest.raises(DataError, match=told):
        found_in(*files, folders=("a", "b", "empty", ".git", "gifs"), is_zip=is_zip)


def test_empty_class_folder_in_the_folder_around_the_classes_of_a_zip_is_named():
    folders = ("val", "val/a", "val/b", "val/empty")
    with pytest.raises(DataError, match="'empty' is empty"):
        found_in("val/a/1.png", "val/b/1.png", folders=folders, is_zip=True)


def test_no_images_at_all_are_refused_with_what_is_there():
    with pytest.raises(DataError, match="no images .*; but files of other types .1 .avif.: conv"):
        found_in("a/1.avif")
    with pytest.raises(DataError, match=r"no images \(CLASS/NAME with one of [.\w ]*\)$"):
        found_in("1.png", "a/notes.txt")


@pytest.mark.parametrize("names", [("train", "val"), ("Train", "test", "valid")])
def test_parts_of_a_data_set_are_no_classes(names):
    files = [f"{name}/{label}/1.png" for name in names for label in ("a", "b")]
    with pytest.raises(DataError, match=f"are parts of a data set, .* data/{names[0]}$"):
        found_in(*files)


def test_classes_with_the_names_of_parts_but_images_of_their_own_stay_classes():
    assert set(found_in("train/1.png", "test/1.png").images) == {"train", "test"}
    assert set(found_in("train/x/1.png", "plane/x/1.png").images) == {"train", "plane"}


def test_numbers_in_the_order_of_letters_are_told_with_the_remedy():
    (note,) = found_in(*(f"{label}/1.png" for label in range(1, 13))).notes
    assert "in the order 1, 10, 11, 12, 2, .., as torchvision sorts them" in note
    assert "counted 1, 2, 3, 4, 5, .., as timm's does, give --class-map natural" in note
    assert found_in("n01/1.png", "n02/1.png", "n10/1.png").notes == ()


def test_pictures_that_are_left_out_are_told():
    found = found_in("a/1.png", "a/2.gif", "a/3.heic", "b/1.png", "b/notes.txt", "top.png")
    assert found.notes == (
        "files of other types (1 .gif, 1 .heic) are left out; convert them to PNG or JPEG",
        "1 images in no class folder are left out",
    )


def test_names_that_are_not_in_utf8_are_refused():
    odd = b"\xe4hre".decode("utf-8", "surrogateescape")
    told = r"2 names are not in UTF-8 \(the first: b'.xe4hre'\); rename them"
    with pytest.raises(DataError, match=told) as caught:
        found_in("a/1.png", f"{odd}/1.png", folders=("a", odd))
    assert str(caught.value).isascii()


def test_natural_order_counts():
    assert natural_order(["b", "a10", "a2", "A1", "10", "9"]) == ["9", "10", "A1", "a2", "a10", "b"]
