import pytest

from encas.errors import SearchError
from encas.nat.design import Architecture, SubnetBlock
from encas.nat.designs import NAMES, SPACES, small_design, space_of
from encas.nat.recipe import macs_of

PUBLISHED_MMACS = {"a0": 203, "a1": 279, "a2": 317, "a3": 357, "a4": 444, "a5": 491, "a6": 709}
# Resolution; stem, the widths of seven stages, head; kernels; expansions; depths. Source: the
# evaluation settings that the authors of AttentiveNAS publish beside their checkpoints.
PUBLISHED_SUBNETS = {
    "a0": (192, (16, 16, 24, 32, 64, 112, 192, 216, 1792), "3333333", "1444466", "1333331"),
    "a1": (224, (16, 16, 24, 32, 64, 112, 192, 216, 1984), "3335353", "1444466", "1333331"),
    "a2": (224, (16, 16, 24, 32, 64, 112, 200, 224, 1984), "3333353", "1454466", "1333341"),
    "a3": (224, (16, 16, 24, 32, 64, 112, 208, 224, 1984), "3335333", "1444466", "2334351"),
    "a4": (256, (16, 16, 24, 32, 64, 112, 192, 216, 1984), "3335353", "1445466", "1334351"),
    "a5": (256, (16, 16, 24, 32, 72, 112, 192, 216, 1792), "3335333", "1454466", "1333461"),
    "a6": (288, (16, 16, 24, 32, 64, 112, 216, 224, 1984), "3333353", "1465466", "1334461"),
}  # fmt: skip


def attentive(name):
    resolution, widths, *rows = PUBLISHED_SUBNETS[name]
    kernels, expansions, depths = ([int(digit) for digit in row] for row in rows)
    stages = tuple(
        (SubnetBlock(width=width, kernel=kernel, expansion=expansion),) * depth
        for width, kernel, expansion, depth in zip(
            widths[1:-1], kernels, expansions, depths, strict=True
        )
    )
    return Architecture(resolution=resolution, stem=widths[0], stages=stages, head=widths[-1])


@pytest.mark.parametrize("name", PUBLISHED_SUBNETS)
def test_published_subnets_of_attentive_nas_cost_what_is_published(name):
    space = space_of("attentive-nas")
    architecture = space.decode(space.encode(attentive(name)))
    macs = macs_of(space.design.recipe(architecture, n_classes=1000))
    assert macs / 1e6 == pytest.approx(PUBLISHED_MMACS[name], rel=0.01)


@pytest.mark.parametrize(("name", "genes"), [("attentive-nas", 28), ("ofa-mbv3-w1.0", 22)])
def test_encodings_have_the_lengths_of_the_papers(name, genes):
    assert len(space_of(name).n_values) == genes


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_that_of_its_design(name):
    assert space_of(name).design.name == name


def test_wider_supernetwork_of_once_for_all_has_wider_stages_of_eights():
    narrow, wide = (SPACES[f"ofa-mbv3-w{width}"].design for width in ("1.0", "1.2"))
    assert [stage.widths for stage in narrow.stages] == [(16,), (24,), (40,), (80,), (112,), (160,)]
    assert [stage.widths for stage in wide.stages] == [(24,), (32,), (48,), (96,), (136,), (192,)]
    assert (narrow.n_expand, narrow.heads) == (960, (1280,))
    assert (wide.n_expand, wide.heads) == (1152, (1536,))


@pytest.mark.parametrize(
    ("size", "stem_stride", "strides", "stems", "depths"),
    [
        (8, 1, (1, 2, 2), (4, 8), (1, 2)),
        (15, 1, (1, 2, 2), (4, 8), (1, 2)),
        (16, 1, (1, 2, 2), (8, 16), (1, 2, 3)),
        (23, 1, (1, 2, 2), (8, 16), (1, 2, 3)),
        (24, 1, (2, 2, 2), (8, 16), (1, 2, 3)),
        (47, 1, (2, 2, 2), (8, 16), (1, 2, 3)),
        (48, 2, (2, 2, 2), (8, 16), (1, 2, 3)),
        (64, 2, (2, 2, 2), (8, 16), (1, 2, 3)),
    ],
)
def test_small_design_grows_with_the_image(size, stem_stride, strides, stems, depths):
    design = small_design("small-mobile", size=size, n_channels=3)
    assert (design.size, design.stem_stride, design.stems) == (size, stem_stride, stems)
    assert tuple(stage.stride for stage in design.stages) == strides
    assert {stage.depths for stage in design.stages} == {depths}
    assert design.stages[0].widths == ((4, 6, 8) if size < 16 else (8, 12, 16))


def test_small_designs_differ_in_their_blocks():
    mobile, fused = (
        small_design(name, size=16, n_channels=1) for name in ("small-mobile", "small-fused")
    )
    assert {(s.kernels, s.expansions, s.is_fused) for s in mobile.stages} == {
        ((3, 5), (2, 3), False)
    }
    assert {(s.kernels, s.expansions, s.is_fused) for s in fused.stages} == {((3,), (1, 2), True)}
    assert mobile.resolutions == (10, 12, 14, 16)
    assert mobile.n_channels == 1


def test_small_supernetwork_takes_images_of_32_pixels_where_nothing_is_said():
    assert space_of("small-fused").design == small_design("small-fused", size=32, n_channels=3)


def test_unknown_supernetwork_is_told_the_known_ones():
    with pytest.raises(SearchError, match=r"one of ofa-mbv3-w1.0, .*small-fused, got 'resnet'"):
        space_of("resnet")


def test_images_of_another_size_are_refused():
    assert space_of("ofa-mbv3-w1.0", size=256).design.size == 256
    with pytest.raises(SearchError, match=r"3 channels of 256 pixels a side, got 3 of 32"):
        space_of("ofa-mbv3-w1.0", size=32)
    with pytest.raises(SearchError, match=r"3 channels of 256 pixels a side, got 1 of 256"):
        space_of("ofa-mbv3-w1.0", n_channels=1)


@pytest.mark.parametrize("size", [7, 65])
def test_images_too_small_or_too_large_for_the_small_ones_are_refused(size):
    with pytest.raises(SearchError, match=rf"images of 8..64 pixels a side, got {size}"):
        space_of("small-mobile", size=size)
