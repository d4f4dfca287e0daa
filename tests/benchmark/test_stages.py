from __future__ import annotations

import pytest

from benchmark.stages import Stages


def test_every_step_is_in_one_stage_and_each_gets_its_share() -> None:
    stages = Stages((("a", 0.3), ("b", 0.3), ("c", 0.4)))
    seen = [stages.at(step / 1000) for step in range(1000)]
    assert [name for name, _ in seen] == ["a"] * 300 + ["b"] * 300 + ["c"] * 400
    assert [inside for _, inside in seen[300:600]] == pytest.approx([step / 300 for step in range(300)])
    assert all(0 <= inside < 1 for _, inside in seen)


@pytest.mark.parametrize("shares", [(("a", 0.5),), (("a", 1.5), ("b", -0.5)), ()])
def test_shares_that_are_none_are_refused(shares: tuple[tuple[str, float], ...]) -> None:
    with pytest.raises(ValueError, match="add up to 1"):
        Stages(shares)
