import pytest

pytest.importorskip("torch")

import torch

from encas.nat.augment import Augmentation, augmented


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_no_augmentation_gives_the_batch_itself_and_draws_nothing():
    x, targets = torch.rand(3, 1, 4, 4), torch.eye(3)
    generator = seeded()
    changed, same = augmented(x, targets, Augmentation(), generator)
    assert changed is x
    assert same is targets
    assert torch.equal(generator.get_state(), seeded().get_state())


def test_mirror_alone_gives_images_or_their_mirrors():
    x, targets = torch.rand(20, 1, 6, 6), torch.eye(20)
    changed, same = augmented(x, targets, Augmentation(mirror=True), seeded())
    kept = (changed - x).abs().amax(dim=(1, 2, 3)) < 1e-5
    mirrored = (changed - x.flip(3)).abs().amax(dim=(1, 2, 3)) < 1e-5
    assert (kept | mirrored).all()
    assert kept.any()
    assert mirrored.any()
    assert torch.equal(same, targets)


def test_shift_moves_by_whole_pixels_and_repeats_the_border():
    """Pixels hold their own places: what an image shows tells where it was moved to."""
    line = torch.arange(8.0)
    places = torch.stack(torch.meshgrid(line, line, indexing="ij"))
    changed, _ = augmented(
        places.expand(60, 2, 8, 8), torch.eye(60), Augmentation(shift=0.25), seeded()
    )
    moves = (changed[:, :, 4, 4] - 4).round()
    expected = (places[None] + moves[:, :, None, None]).clamp(0, 7)
    torch.testing.assert_close(changed, expected, atol=1e-4, rtol=0)
    assert [set(axis) for axis in moves.T.tolist()] == [{-2, -1, 0, 1, 2}] * 2


def test_crop_shows_at_least_its_share_of_the_image_and_nothing_outside_it():
    """On a ramp from -1 to 1 the slope tells the width that is kept."""
    ramp = (torch.arange(32.0) + 0.5) / 16 - 1
    x = ramp.expand(200, 1, 32, 32)
    changed, _ = augmented(x, torch.eye(200), Augmentation(min_area=0.25), seeded())
    widths = (changed[:, 0, 16, 24] - changed[:, 0, 16, 8]) / (ramp[24] - ramp[8])
    assert 0.25 * 0.86 < widths.min() ** 2 < 0.35
    assert widths.max() <= 1 + 1e-5
    assert changed.abs().max() <= 1


def test_cutmix_mixes_targets_by_the_area_that_was_replaced():
    x = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 1, 10, 10)
    mixed, targets = augmented(x, torch.eye(8), Augmentation(cutmix=1.0), seeded(3))
    own = (mixed == x).float().mean(dim=(1, 2, 3))
    torch.testing.assert_close(targets.diagonal(), own)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(8))


def test_cutmix_changes_its_share_of_the_batches():
    x, targets, generator = torch.rand(4, 1, 6, 6), torch.eye(4), seeded()
    how = Augmentation(cutmix=0.3)
    n_kept = sum(augmented(x, targets, how, generator)[0] is x for _ in range(300))
    assert 190 <= n_kept <= 230
