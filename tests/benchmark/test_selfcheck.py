from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from conftest import Outcome

from benchmark import metrics, selfcheck
from benchmark.selfcheck import GOLDEN, Finding, golden_pair, golden_value

Call = Callable[..., Outcome]


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_values(name: str) -> None:
    assert golden_value(name) == pytest.approx(GOLDEN[name], abs=selfcheck.GOLDEN_TOLERANCE)


def test_every_metric_without_weights_has_a_golden_value() -> None:
    assert set(GOLDEN) == {name for name in metrics.names() if not metrics.find(name).weights}
    restored, clean = golden_pair()
    assert restored.shape == clean.shape == (176, 176, 3)
    assert len(np.unique(clean)) > 100


def test_findings_judge_themselves() -> None:
    assert Finding("psnr", "x", 1.0, 1.0 + 1e-7, 1e-6).good
    assert not Finding("psnr", "x", 1.0, 1.1, 1e-6).good
    assert not Finding("psnr", "x", 1.0, math.nan, 1e-6).good
    assert Finding("psnr", "x", 1.0, 1.1, None, "known to differ").good
    assert Finding("psnr", "x", 1.0, None, 1e-6, "not installed").good


def test_the_command_prints_signed_differences_and_fails_when_one_is_wrong(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        Finding("psnr", "golden value", 20.0, 20.0, 1e-9),
        Finding("ssim", "pkg 1.0: ssim()", 0.5, 0.75, None, "another window"),
        Finding("ssim", "gone: ssim()", 0.5, None, 1e-4, "not installed"),
    ]
    monkeypatch.setattr(selfcheck, "findings", lambda: iter(found))
    done = call("benchmark", "metrics", "selfcheck")
    assert done.code == 0
    assert "+2.50e-01  pkg 1.0: ssim() (another window)" in done.out
    assert "gone: ssim(): not installed" in done.out
    assert json.loads(call("benchmark", "metrics", "selfcheck", "--json").out)[1]["difference"] == 0.25
    found.append(Finding("fid", "pkg", 3.0, 4.0, 0.1))
    wrong = call("benchmark", "metrics", "selfcheck")
    assert wrong.code == 5
    assert "fid against pkg" in wrong.err


def test_installed_packages_agree() -> None:
    restored, clean = selfcheck.photographs()
    assert restored.shape == clean.shape == (512, 512, 3)
    for peer in selfcheck.PEERS:
        if peer.package in ("scikit-image", "pytorch-msssim") and peer.tolerance is not None:
            ours = metrics.find(peer.metric)(restored[:256, :256], clean[:256, :256])
            theirs = peer.compute(restored[:256, :256], clean[:256, :256])
            assert theirs == pytest.approx(ours, abs=peer.tolerance), peer
