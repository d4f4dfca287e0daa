from __future__ import annotations

import torch

from benchmark.adversarial import ImagePool, least_squares_loss


def _images(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None, None, None] * torch.ones(1, 3, 2, 2)


def test_least_squares() -> None:
    scores = torch.tensor([[0.5, -1.0]])
    assert float(least_squares_loss(scores, real=True)) == (0.25 + 4) / 2
    assert float(least_squares_loss(scores, real=False)) == (0.25 + 1) / 2


def test_a_pool_that_is_not_full_gives_back_what_it_gets() -> None:
    pool = ImagePool(4)
    for batch in (_images(1, 2), _images(3, 4)):
        assert torch.equal(pool.exchange(batch), batch)
    assert torch.equal(pool.images, _images(1, 2, 3, 4))


def test_a_full_pool_gives_back_earlier_images_half_of_the_time() -> None:
    torch.manual_seed(0)
    pool = ImagePool(50)
    pool.exchange(torch.arange(50.0)[:, None, None, None] * torch.ones(1, 3, 1, 1))
    earlier = 0
    for number in range(50, 450):
        stored = set(pool.images[:, 0, 0, 0].tolist())
        given = float(pool.exchange(torch.full((1, 3, 1, 1), float(number))).mean())
        now = set(pool.images[:, 0, 0, 0].tolist())
        if given == number:
            assert now == stored
        else:
            earlier += 1
            # The new image is where the one given back was.
            assert now == stored - {given} | {number}
    assert 160 < earlier < 240


def test_a_pool_keeps_no_graph() -> None:
    pool = ImagePool(2)
    given = pool.exchange(torch.rand(3, 3, 2, 2, requires_grad=True) * 2)
    assert not given.requires_grad
    assert not pool.images.requires_grad


def test_what_it_returns_does_not_change_later() -> None:
    torch.manual_seed(0)
    pool = ImagePool(1)
    pool.exchange(_images(1))
    given = [pool.exchange(_images(value)) for value in range(2, 20)]
    copies = [image.clone() for image in given]
    for value in range(20, 40):
        pool.exchange(_images(value))
    assert all(torch.equal(a, b) for a, b in zip(given, copies, strict=True))


def test_a_checkpoint_brings_the_images_back() -> None:
    pool, empty = ImagePool(4), ImagePool(4)
    pool.exchange(_images(1, 2, 3))
    empty.load_state_dict(pool.state_dict())
    assert torch.equal(empty.images, pool.images)
    empty.exchange(_images(4))
    assert len(pool.images) == 3
    # An older checkpoint, of a pool that was not yet filled.
    pool.load_state_dict(ImagePool(4).state_dict())
    assert torch.equal(pool.exchange(_images(7)), _images(7))


def test_images_of_another_size_start_a_new_pool() -> None:
    pool = ImagePool(4)
    pool.exchange(_images(1, 2))
    larger = torch.rand(1, 3, 5, 5)
    assert torch.equal(pool.exchange(larger), larger)
    assert torch.equal(pool.images, larger)
